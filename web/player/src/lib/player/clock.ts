/** Time, so that tests can turn it by hand. */
export interface Clock {
	/** Milliseconds since any fixed moment. */
	now(): number;
	/** Calls back once after `ms`; what it returns calls it off. */
	after(ms: number, run: () => void): () => void;
}

export const systemClock: Clock = {
	// Not `performance.now`: it may stand still while a laptop sleeps, and addresses expire meanwhile.
	now: () => Date.now(),
	after(ms, run) {
		const id = setTimeout(run, Math.max(0, ms));
		return () => clearTimeout(id);
	}
};

/** 1, 2, 4, 8 … up to 30 s, spread by ±20 % so that many listeners do not come back at the same moment. */
export function backoffMs(attempt: number, random: () => number = Math.random): number {
	const base = Math.min(30_000, 1000 * 2 ** Math.max(0, attempt - 1));
	return base * (0.8 + random() * 0.4);
}

/** One appointment at a time. */
export class Timer {
	#cancel: (() => void) | null = null;

	constructor(private readonly clock: Clock) {}

	get set(): boolean {
		return this.#cancel !== null;
	}

	/** Takes the place of an earlier appointment. */
	in(ms: number, run: () => void): void {
		this.clear();
		this.#cancel = this.clock.after(ms, () => {
			this.#cancel = null;
			run();
		});
	}

	clear(): void {
		this.#cancel?.();
		this.#cancel = null;
	}
}
