/**
 * One line to the server's events that is always put up again: it resumes after the last event that was
 * seen, waits longer after each failure, and notices when the other end has gone silent. Knows nothing of
 * tabs and of Svelte.
 */
import { SseParser, type SseMessage } from './sse';

/** The server says something at least every 15 s. */
const SILENCE_MS = 45_000;
const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 30_000;
/** After an orderly end, as when the access token expires. */
const ORDERLY_WAIT_MS = 250;

export interface LineTimers {
	set(run: () => void, ms: number): number;
	clear(timer: number): void;
}

export interface LineOptions {
	/** Opens the stream; rejects when the server cannot be reached or refuses. */
	readonly open: (lastId: string | null, signal: AbortSignal) => Promise<ReadableStream<Uint8Array>>;
	readonly onmessage: (message: SseMessage) => void;
	/** The id to resume after has changed. */
	readonly onid: (lastId: string) => void;
	/** `resumed` is false when events since the last line may have been missed. */
	readonly onup: (resumed: boolean) => void;
	readonly ondown: () => void;
	readonly timers: LineTimers;
	/** In [0, 1), like `Math.random`. */
	readonly random: () => number;
}

export class Line {
	#options: LineOptions;
	#lastId: string | null;
	#abort: AbortController | null = null;
	#wake: (() => void) | null = null;
	#stopped = false;
	#failures = 0;
	#retryMs: number | null = null;

	constructor(options: LineOptions, lastId: string | null = null) {
		this.#options = options;
		this.#lastId = lastId;
		void this.#run();
	}

	/** Does not wait any longer: the network is back, or somebody looks at the page. */
	retryNow(): void {
		this.#wake?.();
	}

	/** Puts the line up anew, since the old one may be dead without a word. */
	renew(): void {
		this.#failures = 0;
		if (this.#wake) this.#wake();
		else this.#abort?.abort();
	}

	stop(): void {
		this.#stopped = true;
		this.#abort?.abort();
		this.#wake?.();
	}

	async #run(): Promise<void> {
		while (!this.#stopped) {
			const orderly = await this.#once();
			if (this.#stopped) return;
			this.#options.ondown();
			this.#failures = orderly ? 0 : this.#failures + 1;
			await this.#pause(this.#waitMs());
		}
	}

	/** True when the server ended the stream in an orderly way. */
	async #once(): Promise<boolean> {
		const abort = new AbortController();
		this.#abort = abort;
		try {
			const resumes = this.#lastId !== null;
			const stream = await this.#options.open(this.#lastId, abort.signal);
			if (this.#stopped) {
				await stream.cancel();
				return true;
			}
			this.#options.onup(resumes);
			await this.#read(stream, abort);
			return true;
		} catch {
			return false;
		} finally {
			abort.abort();
			this.#abort = null;
		}
	}

	async #read(stream: ReadableStream<Uint8Array>, abort: AbortController): Promise<void> {
		const parser = new SseParser();
		const decoder = new TextDecoder();
		const reader = stream.getReader();
		abort.signal.addEventListener('abort', () => void reader.cancel().catch(() => undefined));
		for (;;) {
			const { timers } = this.#options;
			const silence = timers.set(() => abort.abort(), SILENCE_MS);
			const { value, done } = await reader.read().finally(() => timers.clear(silence));
			if (abort.signal.aborted) throw new Error('the line was cut');
			if (done) return;
			// Something arrived, so the next failure is a first one.
			this.#failures = 0;
			const messages = parser.push(decoder.decode(value, { stream: true }));
			this.#retryMs = parser.retryMs;
			for (const message of messages) this.#options.onmessage(message);
			if (parser.lastId !== null && parser.lastId !== this.#lastId) {
				this.#lastId = parser.lastId;
				this.#options.onid(parser.lastId);
			}
		}
	}

	#waitMs(): number {
		const spread = 0.75 + this.#options.random() / 2;
		if (this.#failures === 0) return (this.#retryMs ?? ORDERLY_WAIT_MS) * spread;
		return Math.min(FIRST_WAIT_MS * 2 ** (this.#failures - 1), LONGEST_WAIT_MS) * spread;
	}

	#pause(ms: number): Promise<void> {
		return new Promise((resolve) => {
			const timer = this.#options.timers.set(() => this.#wake?.(), ms);
			this.#wake = () => {
				this.#options.timers.clear(timer);
				this.#wake = null;
				resolve();
			};
		});
	}
}
