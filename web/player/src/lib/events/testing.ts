/** A browser of several tabs for tests: one clock, one storage, one set of locks, one channel. */
import type { FeedEnv } from './env';

interface Waiting {
	id: number;
	at: number;
	run: () => void;
}

export class FakeClock {
	now = 1_000_000;
	#waiting: Waiting[] = [];
	#next = 1;

	set = (run: () => void, ms: number): number => {
		const id = this.#next;
		this.#next += 1;
		this.#waiting.push({ id, at: this.now + ms, run });
		return id;
	};

	clear = (id: number): void => {
		this.#waiting = this.#waiting.filter((timer) => timer.id !== id);
	};

	/** Lets time pass, and what waits for promises run in between. */
	async pass(ms: number): Promise<void> {
		const end = this.now + ms;
		await settle();
		for (;;) {
			const due = this.#waiting.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
			if (!due) break;
			this.now = Math.max(this.now, due.at);
			this.clear(due.id);
			due.run();
			await settle();
		}
		this.now = end;
	}
}

/** Long enough for chains of promises, streams included. */
export async function settle(): Promise<void> {
	for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
}

/** Messages between tabs, delivered at once and never to the sender. */
class FakeChannel {
	onmessage: ((event: MessageEvent) => void) | null = null;

	constructor(private readonly room: Set<FakeChannel>) {
		room.add(this);
	}

	postMessage(data: unknown): void {
		for (const other of [...this.room]) {
			if (other !== this) other.onmessage?.(new MessageEvent('message', { data: structuredClone(data) }));
		}
	}

	close(): void {
		this.room.delete(this);
	}
}

class FakeLocks {
	#queues = new Map<string, (() => Promise<void>)[]>();

	request = (name: string, options: { signal: AbortSignal }, hold: () => Promise<void>): Promise<void> =>
		new Promise((resolve, reject) => {
			const queue = this.#queues.get(name) ?? [];
			this.#queues.set(name, queue);
			const turn = async () => {
				await hold();
				queue.shift();
				resolve();
				void queue[0]?.();
			};
			options.signal.addEventListener('abort', () => {
				const at = queue.indexOf(turn);
				if (at > 0) queue.splice(at, 1);
				reject(new DOMException('given up', 'AbortError'));
			});
			queue.push(turn);
			if (queue.length === 1) void turn();
		});
}

export interface FakeTab {
	readonly env: FeedEnv;
	hide(): void;
	network(isBack: boolean): void;
}

export class FakeBrowser {
	readonly clock = new FakeClock();
	readonly stored = new Map<string, string>();
	#locks = new FakeLocks();
	#room = new Set<FakeChannel>();
	#storageListeners = new Set<(key: string | null) => void>();
	#seed = 0.1;

	constructor(private readonly has: { locks: boolean; storage: boolean; channel: boolean }) {}

	tab(): FakeTab {
		const { clock } = this;
		const hideListeners = new Set<() => void>();
		const networkListeners = new Set<(isBack: boolean) => void>();
		const listen =
			<T>(set: Set<T>) =>
			(run: T) => {
				set.add(run);
				return () => void set.delete(run);
			};
		const heard = new Set<(key: string | null) => void>();
		const changed = (key: string) => {
			for (const run of this.#storageListeners) if (!heard.has(run)) run(key);
		};
		const env: FeedEnv = {
			locks: this.has.locks ? (this.#locks as unknown as LockManager) : null,
			storage: this.has.storage
				? {
						getItem: (key) => this.stored.get(key) ?? null,
						setItem: (key, value) => {
							this.stored.set(key, value);
							changed(key);
						},
						removeItem: (key) => {
							this.stored.delete(key);
							changed(key);
						}
					}
				: null,
			timers: clock,
			now: () => clock.now,
			random: () => (this.#seed = (this.#seed * 7.3 + 0.19) % 1),
			channel: () => (this.has.channel ? (new FakeChannel(this.#room) as unknown as BroadcastChannel) : null),
			onstorage: (run) => {
				heard.add(run);
				this.#storageListeners.add(run);
				return () => void this.#storageListeners.delete(run);
			},
			onhide: listen(hideListeners),
			onreturn: listen(networkListeners)
		};
		return {
			env,
			hide: () => hideListeners.forEach((run) => run()),
			network: (isBack) => networkListeners.forEach((run) => run(isBack))
		};
	}
}

/** A server of events: what is asked of it, and the streams that it holds open. */
export class FakeServer {
	readonly asked: (string | null)[] = [];
	/** False: every call fails. */
	isThere = true;
	#open = new Set<ReadableStreamDefaultController<Uint8Array>>();
	#encoder = new TextEncoder();

	get lines(): number {
		return this.#open.size;
	}

	open = (lastId: string | null, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> => {
		this.asked.push(lastId);
		if (!this.isThere) return Promise.reject(new TypeError('no network'));
		let line: ReadableStreamDefaultController<Uint8Array>;
		const stream = new ReadableStream<Uint8Array>({
			start: (controller) => {
				line = controller;
				this.#open.add(controller);
			},
			cancel: () => void this.#open.delete(line)
		});
		signal.addEventListener('abort', () => this.#open.delete(line));
		return Promise.resolve(stream);
	};

	send(text: string): void {
		for (const line of this.#open) line.enqueue(this.#encoder.encode(text));
	}

	event(name: string, id: number, data: unknown): void {
		this.send(`event: ${name}\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`);
	}

	/** Ends all streams in an orderly way, as when the access token expires. */
	end(): void {
		for (const line of [...this.#open]) {
			this.#open.delete(line);
			line.close();
		}
	}

	/** Cuts all streams. */
	cut(): void {
		for (const line of [...this.#open]) {
			this.#open.delete(line);
			line.error(new TypeError('cut'));
		}
	}
}
