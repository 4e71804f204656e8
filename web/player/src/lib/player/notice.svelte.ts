/** One sentence about what went wrong, for a while. */
import { Timer, type Clock } from './clock';

export interface PlayerError {
	text: string;
	/** Null when trying again would not help. */
	retry: (() => void) | null;
}

const SHOWN_MS = 12_000;

export class Notice {
	#error = $state.raw<PlayerError | null>(null);
	readonly #end: Timer;

	constructor(clock: Clock) {
		this.#end = new Timer(clock);
	}

	get error(): PlayerError | null {
		return this.#error;
	}

	show(text: string, retry: (() => void) | null): void {
		const again = () => {
			this.dismiss();
			retry?.();
		};
		this.#error = { text, retry: retry && again };
		this.#end.in(SHOWN_MS, () => (this.#error = null));
	}

	dismiss(): void {
		this.#end.clear();
		this.#error = null;
	}
}
