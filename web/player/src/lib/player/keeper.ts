/** Keeps the queue and the place in it for the next visit: often enough to be right, rarely enough to be cheap. */
import { Timer, type Clock } from './clock';
import type { Memory, Saved } from './memory';
import type { Queue, Song } from './queue';

const QUEUE_MS = 1_000;
const PLACE_MS = 5_000;

export interface Kept {
	queue: Queue;
	history: readonly Song[];
	songId: string | null;
	position: number;
}

export class Keeper {
	#user: string | null = null;
	readonly #queue: Timer;
	readonly #place: Timer;
	readonly #stop: () => void;

	constructor(
		private readonly memory: Memory,
		clock: Clock,
		private readonly look: () => Kept
	) {
		this.#queue = new Timer(clock);
		this.#place = new Timer(clock);
		const leave = () => this.all();
		globalThis.addEventListener?.('pagehide', leave);
		this.#stop = () => globalThis.removeEventListener?.('pagehide', leave);
	}

	get user(): string | null {
		return this.#user;
	}

	/** From now on for this account; answers what it left behind. */
	begin(user: string): Saved | null {
		this.#user = user;
		return this.memory.restore(user);
	}

	queueChanged(): void {
		if (this.#user !== null && !this.#queue.set) this.#queue.in(QUEUE_MS, () => this.all());
	}

	placeChanged(): void {
		if (this.#user !== null && !this.#place.set) this.#place.in(PLACE_MS, () => this.place());
	}

	place(): void {
		this.#place.clear();
		if (this.#user === null) return;
		const { songId, position } = this.look();
		this.memory.savePlace(this.#user, songId, position);
	}

	all(): void {
		this.#queue.clear();
		if (this.#user === null) return;
		const { queue, history } = this.look();
		this.memory.saveQueue(this.#user, queue, history);
		this.place();
	}

	/** The account has signed out: nothing of it stays. */
	forget(): void {
		this.#queue.clear();
		this.#place.clear();
		if (this.#user !== null) this.memory.forget(this.#user);
		this.#user = null;
	}

	dispose(): void {
		if (this.#queue.set || this.#place.set) this.all();
		this.#stop();
	}
}
