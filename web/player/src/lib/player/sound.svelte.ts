/** What is heard, as the page sees it: the engine's state, how it is to sound, and when it is to stop. */
import { systemClock, Timer, type Clock } from './clock';
import { Engine, type AudioElement, type EngineState, type Track } from './engine';
import { Memory, type Preferences, type Store } from './memory';
import { sourceFinder, type Reader } from './lookup';
import { clamp } from './volume';

export interface SoundDeps {
	api: Reader;
	storage?: Store | null;
	createAudio?: () => AudioElement;
	clock?: Clock;
	mediaSession?: MediaSession | null;
}

/** Minutes, or the end of the song that is on. */
export type SleepChoice = number | 'song';

export const playbackRates: readonly number[] = [0.5, 0.75, 1, 1.25, 1.5, 2];
export const sleepMinutes: readonly number[] = [15, 30, 45, 60];

const SLEEP_FADE_MS = 8_000;

const silence: EngineState = {
	track: null,
	playing: false,
	waiting: false,
	position: 0,
	duration: 0,
	buffered: 0
};

function whenOnline(run: () => void): () => void {
	globalThis.addEventListener?.('online', run);
	return () => globalThis.removeEventListener?.('online', run);
}

export abstract class Sound {
	#state = $state.raw(silence);
	#preferences: Preferences = $state.raw(new Memory(null).preferences());
	#sleepAt = $state<number | null>(null);
	#sleepsAtSongEnd = $state(false);
	readonly #sleep: Timer;
	protected readonly clock: Clock;
	protected readonly memory: Memory;
	protected readonly engine: Engine;
	/** Hears of every change of place or state. */
	protected onchange: (() => void) | null = null;

	constructor(deps: SoundDeps) {
		this.clock = deps.clock ?? systemClock;
		this.memory = new Memory(deps.storage ?? null);
		this.#sleep = new Timer(this.clock);
		this.engine = new Engine({
			createAudio: deps.createAudio ?? (() => new Audio()),
			findSource: sourceFinder(deps.api),
			clock: this.clock,
			mediaSession: deps.mediaSession ?? globalThis.navigator?.mediaSession ?? null,
			onOnline: whenOnline,
			events: {
				changed: (state) => {
					this.#state = state;
					this.onchange?.();
				},
				advanced: () => this.advanced(),
				finished: () => this.finished(),
				gone: (track, current) => this.lost(track, current, 'gone'),
				unplayable: (track, current) => this.lost(track, current, 'unplayable'),
				wantsNext: () => this.next(),
				wantsPrevious: () => this.previous()
			}
		});
		this.#preferences = this.memory.preferences();
		this.engine.setLevelling(this.levelling);
		this.engine.setCrossfade(this.crossfadeSeconds);
		this.engine.setRate(this.rate);
		this.engine.setVolume(this.volume, this.muted);
	}

	abstract next(): void;
	abstract previous(): void;
	/** What was set as next is on now. */
	protected abstract advanced(): void;
	/** The song has ended and nothing followed. */
	protected abstract finished(): void;
	protected abstract lost(track: Track, current: boolean, why: 'gone' | 'unplayable'): void;

	get playing(): boolean {
		return this.#state.playing;
	}

	/** It should be sounding, but bytes are missing. */
	get waiting(): boolean {
		return this.#state.waiting;
	}

	/** Seconds, as are the two below. */
	get position(): number {
		return this.#state.position;
	}

	get duration(): number {
		return this.#state.duration;
	}

	get buffered(): number {
		return this.#state.buffered;
	}

	/** The slider's place, 0 to 1; hearing follows it evenly. */
	get volume(): number {
		return this.#preferences.volume;
	}

	set volume(volume: number) {
		this.#prefer({ volume: clamp(volume, 0, 1), muted: false });
		this.engine.setVolume(this.volume, false);
	}

	get muted(): boolean {
		return this.#preferences.muted;
	}

	set muted(muted: boolean) {
		this.#prefer({ muted });
		this.engine.setVolume(this.volume, muted);
	}

	get rate(): number {
		return this.#preferences.rate;
	}

	set rate(rate: number) {
		this.#prefer({ rate: clamp(rate, 0.25, 4) });
		this.engine.setRate(this.rate);
	}

	/** Whether loud and quiet songs are brought to the same loudness. */
	get levelling(): boolean {
		return this.#preferences.levelling;
	}

	set levelling(levelling: boolean) {
		this.#prefer({ levelling });
		this.engine.setLevelling(levelling);
	}

	get crossfadeSeconds(): number {
		return this.#preferences.crossfadeSeconds;
	}

	set crossfadeSeconds(seconds: number) {
		this.#prefer({ crossfadeSeconds: clamp(seconds, 0, 12) });
		this.engine.setCrossfade(this.crossfadeSeconds);
	}

	/** When it falls asleep, in milliseconds since 1970; null when it does not, or not by the clock. */
	get sleepAt(): number | null {
		return this.#sleepAt;
	}

	get sleepsAtSongEnd(): boolean {
		return this.#sleepsAtSongEnd;
	}

	sleepIn(choice: SleepChoice | null): void {
		this.#sleep.clear();
		this.engine.wake();
		this.#sleepsAtSongEnd = choice === 'song';
		this.engine.setStopAfter(this.#sleepsAtSongEnd);
		this.#sleepAt = typeof choice === 'number' ? this.clock.now() + choice * 60_000 : null;
		if (typeof choice !== 'number') return;
		this.#sleep.in(choice * 60_000 - SLEEP_FADE_MS, () =>
			this.engine.fadeToPause(SLEEP_FADE_MS, () => this.sleepIn(null))
		);
	}

	seek(seconds: number): void {
		this.engine.seek(seconds);
	}

	seekBy(seconds: number): void {
		this.seek(this.position + seconds);
	}

	dispose(): void {
		this.#sleep.clear();
		this.engine.dispose();
	}

	#prefer(change: Partial<Preferences>): void {
		this.#preferences = { ...this.#preferences, ...change };
		this.memory.savePreferences(this.#preferences);
	}
}
