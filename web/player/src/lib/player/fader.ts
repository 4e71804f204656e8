/** The only one who sets an element's volume: the listener's wish times a fade that is under way. */
import type { Clock } from './clock';
import type { AudioElement } from './source';
import { clamp, fadeInCurve } from './volume';

const STEP_MS = 16;

export class Fader {
	#volume = 1;
	#fade = 1;
	#cancel: (() => void) | null = null;

	constructor(
		private readonly audio: AudioElement,
		private readonly clock: Clock
	) {}

	setVolume(volume: number): void {
		this.#volume = volume;
		this.#apply();
	}

	/** At once, and instead of any fade under way. */
	set(fade: number): void {
		this.#cancel?.();
		this.#cancel = null;
		this.#fade = fade;
		this.#apply();
	}

	/** Softly from where it is. Only the latest call's `then` comes. */
	rampTo(to: number, ms: number, then: () => void = () => {}): void {
		this.#cancel?.();
		const from = this.#fade;
		const begun = this.clock.now();
		const step = () => {
			const at = clamp((this.clock.now() - begun) / Math.max(1, ms), 0, 1);
			this.#fade = from + (to - from) * at;
			this.#apply();
			this.#cancel = at < 1 ? this.clock.after(STEP_MS, step) : null;
			if (at >= 1) then();
		};
		this.#cancel = this.clock.after(STEP_MS, step);
	}

	#apply(): void {
		this.audio.volume = clamp(this.#volume * fadeInCurve(this.#fade), 0, 1);
	}
}
