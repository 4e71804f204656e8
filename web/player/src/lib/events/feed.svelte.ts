/**
 * What happens in the account's library and imports, while it happens. All tabs of an account share one
 * line to the server: one of them holds it and tells the others.
 */
import type { components } from '@songkeep/api-client';
import type { Api } from '$lib/api';
import type { Session } from '$lib/session';
import { browserEnv, type FeedEnv } from './env';
import { contend, type Leadership } from './leadership';
import { Line } from './line';
import { Listeners } from './listeners';

export type Job = components['schemas']['Job'];
export type LibraryEvent = components['schemas']['LibraryEvent'];

export interface EventData {
	job: Job;
	library: LibraryEvent;
	/** Events may have been missed: load everything afresh. */
	reset: undefined;
}
export type EventKind = keyof EventData;

/** A lost line is not worth a word before this. */
const PATIENCE_MS = 4_000;
/** Who opens the line later than this has shown something older by then. */
const FRESH_MS = 2_000;

/** What tabs tell each other. */
type Word =
	| { kind: 'event'; name: string; data: string; id: string | null }
	| { kind: 'id'; id: string | null }
	| { kind: 'line'; up: boolean; id: string | null }
	| { kind: 'who-leads' };

type AllListeners = { [K in EventKind]: Listeners<EventData[K]> };

export class EventFeed {
	#online = $state(true);
	#api: Api;
	#env: FeedEnv;
	#listeners: AllListeners = { job: new Listeners(), library: new Listeners(), reset: new Listeners() };
	#opened = new Listeners<void>();
	#channel: BroadcastChannel | null = null;
	#leadership: Leadership | null = null;
	#line: Line | null = null;
	#isUp = false;
	#hasBeenUp = false;
	#startedAt = 0;
	#lastId: string | null = null;
	#user: string | null = null;
	#patience = 0;
	#stopWatching: () => void;
	#stopEffects: () => void;

	constructor(api: Api, session: Pick<Session, 'state' | 'user'>, env: FeedEnv = browserEnv()) {
		this.#api = api;
		this.#env = env;
		this.#stopWatching = env.onreturn((isBack) => this.#networkChanged(isBack));
		this.#stopEffects = $effect.root(() => {
			$effect(() => {
				const user = session.state === 'signed-in' ? (session.user?.id ?? null) : null;
				this.#follow(user);
			});
		});
	}

	/** False once news have not arrived for some seconds. */
	get online(): boolean {
		return this.#online;
	}

	/** Hears of what happens; returns how to stop. */
	on<K extends EventKind>(kind: K, listener: (data: EventData[K]) => void): () => void {
		return this.#listeners[kind].add(listener);
	}

	/**
	 * Resolves once news arrive, or it is not worth waiting any longer. What is loaded after it misses
	 * nothing that happens from then on.
	 */
	listening(atMostMs = 1_500): Promise<void> {
		if (this.#isUp) return Promise.resolve();
		return new Promise((resolve) => {
			const done = () => {
				this.#env.timers.clear(timer);
				stop();
				resolve();
			};
			const timer = this.#env.timers.set(done, atMostMs);
			const stop = this.#opened.add(done);
		});
	}

	dispose(): void {
		this.#follow(null);
		this.#stopWatching();
		this.#stopEffects();
	}

	#follow(user: string | null): void {
		if (user === this.#user) return;
		this.#leave();
		this.#user = user;
		if (user === null) return;
		const name = `songkeep-events:${user}`;
		this.#startedAt = this.#env.now();
		this.#channel = this.#env.channel(name);
		if (this.#channel) this.#channel.onmessage = ({ data }: MessageEvent<Word>) => this.#hear(data);
		this.#setUp(false);
		const listener = { onlead: () => this.#lead(), onfollow: () => this.#stopLine() };
		// Tabs that cannot talk to each other each need a line of their own.
		const env = this.#channel ? this.#env : { ...this.#env, locks: null, storage: null };
		this.#leadership = contend(name, env, listener);
		this.#say({ kind: 'who-leads' });
	}

	#leave(): void {
		this.#stopLine();
		this.#leadership?.leave();
		this.#leadership = null;
		this.#channel?.close();
		this.#channel = null;
		this.#env.timers.clear(this.#patience);
		this.#patience = 0;
		this.#online = true;
		this.#isUp = false;
		this.#hasBeenUp = false;
		this.#lastId = null;
	}

	#lead(): void {
		this.#line = new Line(
			{
				open: (lastId, signal) => this.#open(lastId, signal),
				onup: (resumed) => {
					this.#say({ kind: 'line', up: true, id: this.#lastId });
					const missed = !resumed && (this.#hasBeenUp || this.#env.now() - this.#startedAt > FRESH_MS);
					this.#setUp(true);
					if (missed) this.#tell('reset', '{}', this.#lastId);
				},
				ondown: () => {
					this.#say({ kind: 'line', up: false, id: this.#lastId });
					this.#setUp(false);
				},
				onmessage: ({ name, data, id }) => this.#tell(name, data, id),
				onid: (id) => {
					this.#lastId = id;
					this.#say({ kind: 'id', id });
				},
				timers: this.#env.timers,
				random: this.#env.random
			},
			this.#lastId
		);
	}

	async #open(lastId: string | null, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
		const header = lastId === null ? {} : { 'Last-Event-ID': lastId };
		const { data, response } = await this.#api.GET('/events', {
			params: { header },
			headers: { Accept: 'text/event-stream' },
			parseAs: 'stream',
			cache: 'no-store',
			signal
		});
		if (!response.ok || !data) throw new Error(`events answered ${response.status}`);
		return data;
	}

	#stopLine(): void {
		this.#line?.stop();
		this.#line = null;
	}

	/** To this tab and the others. */
	#tell(name: string, data: string, id: string | null): void {
		this.#say({ kind: 'event', name, data, id });
		this.#dispatch(name, data);
	}

	#say(word: Word): void {
		this.#channel?.postMessage(word);
	}

	#hear(word: Word): void {
		if (word.kind === 'who-leads') {
			if (this.#line) this.#say({ kind: 'line', up: this.#isUp, id: this.#lastId });
			return;
		}
		// Two tabs lead for a moment when a sleeping one wakes: each hears by its own line then.
		if (this.#line) return;
		if (word.id !== null) this.#lastId = word.id;
		if (word.kind === 'line') this.#setUp(word.up);
		if (word.kind === 'event') this.#dispatch(word.name, word.data);
	}

	#dispatch(name: string, data: string): void {
		try {
			if (name === 'reset') this.#emit('reset', undefined);
			else if (name === 'job') this.#emit('job', JSON.parse(data) as Job);
			else if (name === 'library') this.#emit('library', JSON.parse(data) as LibraryEvent);
		} catch (error) {
			console.error('an event could not be used', name, error);
		}
	}

	#emit<K extends EventKind>(kind: K, data: EventData[K]): void {
		this.#listeners[kind].tell(data);
	}

	#setUp(isUp: boolean): void {
		this.#isUp = isUp;
		if (isUp) {
			this.#hasBeenUp = true;
			this.#env.timers.clear(this.#patience);
			this.#patience = 0;
			this.#online = true;
			this.#opened.tell();
		} else if (this.#patience === 0) {
			this.#patience = this.#env.timers.set(() => (this.#online = false), PATIENCE_MS);
		}
	}

	#networkChanged(isBack: boolean): void {
		if (this.#user === null) return;
		if (isBack) this.#line?.retryNow();
		// Asking again shows at once whether the line is dead, which a cut network does not tell.
		else this.#line?.renew();
	}
}
