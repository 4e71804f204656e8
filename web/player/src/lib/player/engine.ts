/**
 * Sound. The only owner of audio elements and of the system's media controls; it imports no Svelte and knows
 * no queue: it is told what is on and what comes next, and says when it has moved on.
 *
 * Two decks take turns. While one plays, the other gets the next song's first bytes, so that the change is
 * heard as neither gap nor click, or as a crossfade.
 */
import { systemClock, Timer, type Clock } from './clock';
import { Deck, TOGGLE_FADE_MS, type DeckEvents } from './deck';
import { SystemControls } from './media-session';
import type { AudioElement, FindSource, Track } from './source';
import { clamp, levelGain, perceptual } from './volume';

export type { AudioElement, FindSource, Source, Track } from './source';
export { SourceProblem } from './source';

export const MAX_CROSSFADE_S = 12;
/** The next song is fetched this long before it is needed. */
const PRELOAD_AHEAD_S = 30;
/** `timeupdate` comes about four times a second: from here on a timer finds the moment. */
const FINE_S = 0.8;
/** Starting an element takes it about this long. */
const START_LEAD_S = 0.02;
/** A song whose successor has begun is over by then, whatever its element says. */
const TAIL_MS = 1_000;

export interface EngineState {
	readonly track: Track | null;
	readonly playing: boolean;
	readonly waiting: boolean;
	readonly position: number;
	readonly duration: number;
	readonly buffered: number;
}

export interface EngineEvents {
	changed(state: EngineState): void;
	/** What was set as next is playing now. */
	advanced(track: Track): void;
	/** The song has ended and nothing was set to follow, or it was to be the last. */
	finished(): void;
	/** The song is not in the library any more. It may be the next one: `current` tells. */
	gone(track: Track, current: boolean): void;
	unplayable(track: Track, current: boolean): void;
	/** The system's buttons. */
	wantsNext(): void;
	wantsPrevious(): void;
}

export interface EngineDeps {
	readonly createAudio: () => AudioElement;
	readonly findSource: FindSource;
	readonly events: EngineEvents;
	readonly clock?: Clock;
	readonly mediaSession?: MediaSession | null;
	/** Calls back when the network has returned; answers how to stop that. */
	readonly onOnline?: (run: () => void) => () => void;
}

export class Engine {
	readonly #clock: Clock;
	readonly #events: EngineEvents;
	readonly #controls: SystemControls;
	/** The appointment for the change to the next song. */
	readonly #change: Timer;
	readonly #tail: Timer;
	readonly #stopListening: () => void;
	#active: Deck;
	#other: Deck;
	#next: Track | null = null;
	#volume = 1;
	#muted = false;
	#rate = 1;
	#levelling = true;
	#crossfade = 0;
	#stopAfter = false;
	/** The other deck is still heard: the end of the song before. */
	#leaving = false;
	/** Set while a sleep timer turns the sound down. */
	#whenAsleep: (() => void) | null = null;
	#touched = false;
	#told = '';

	constructor(deps: EngineDeps) {
		this.#clock = deps.clock ?? systemClock;
		this.#events = deps.events;
		this.#change = new Timer(this.#clock);
		this.#tail = new Timer(this.#clock);
		const events: DeckEvents = {
			changed: (deck) => this.#deckChanged(deck),
			ended: (deck) => this.#deckEnded(deck),
			gone: (deck, track) => this.#lost(deck, (current) => this.#events.gone(track, current)),
			unplayable: (deck, track) => this.#lost(deck, (current) => this.#events.unplayable(track, current)),
			paused: (deck) => this.#deckChanged(deck)
		};
		const deck = () =>
			new Deck({ audio: deps.createAudio(), clock: this.#clock, findSource: deps.findSource, events });
		this.#active = deck();
		this.#other = deck();
		this.#controls = new SystemControls(deps.mediaSession ?? null, {
			play: () => this.resume(),
			pause: () => this.pause(),
			next: () => this.#events.wantsNext(),
			previous: () => this.#events.wantsPrevious(),
			seekTo: (seconds) => this.seek(seconds),
			seekBy: (seconds) => this.seek(this.state.position + seconds)
		});
		this.#stopListening = deps.onOnline?.(() => this.retryNow()) ?? (() => {});
	}

	/** There is reason to believe that the server can be reached again. */
	retryNow(): void {
		this.#active.retryNow();
		this.#other.retryNow();
	}

	get state(): EngineState {
		const { track, wanted, waiting, position, duration, buffered } = this.#active;
		return { track, playing: wanted, waiting, position, duration, buffered };
	}

	/** Puts a song on, from `at` on; paused, no byte of it is asked for until it plays. */
	load(track: Track, { at = 0, play = true }: { at?: number; play?: boolean } = {}): void {
		this.#change.clear();
		this.#whenAsleep = null;
		const prepared = !this.#leaving && this.#other.track?.key === track.key && at === 0;
		if (!prepared) this.#other.cue(track, at);
		this.#next = null;
		this.#swap();
		this.#leave(TOGGLE_FADE_MS);
		this.#level();
		if (play) this.#play(0);
		this.#controls.describe(track);
		this.#tell();
	}

	resume(): void {
		this.#whenAsleep = null;
		const deck = this.#active;
		if (deck.track === null) return;
		if (this.#ended(deck)) deck.seek(0);
		this.#play(deck.position > 0.2 ? TOGGLE_FADE_MS : 0);
		this.#tell();
	}

	pause(): void {
		this.#change.clear();
		this.#active.pause();
		// The end of a crossfade that was interrupted is not worth hearing later.
		if (this.#leaving) this.#leave(TOGGLE_FADE_MS);
		this.#tell();
	}

	seek(to: number): void {
		this.#change.clear();
		if (this.#leaving) this.#leave(TOGGLE_FADE_MS);
		this.#active.seek(to);
		this.#placed();
	}

	/** Nothing is on any more. */
	stop(): void {
		this.#change.clear();
		this.#next = null;
		this.#other.unload();
		this.#swap();
		this.#leave(TOGGLE_FADE_MS);
		this.#controls.describe(null);
		this.#tell();
	}

	/** What is to follow; may change at any time until it has begun. */
	setNext(track: Track | null): void {
		if (this.#next?.key === track?.key && this.#next?.songId === track?.songId) return;
		this.#next = track;
		if (!this.#leaving && this.#other.track?.key !== track?.key) this.#other.unload();
		this.#change.clear();
		this.#ahead();
	}

	/** The song on has other words now. */
	redescribe(track: Track): void {
		this.#controls.describe(track);
	}

	setVolume(position: number, muted: boolean): void {
		this.#volume = perceptual(position);
		this.#muted = muted;
		this.#level();
	}

	setRate(rate: number): void {
		this.#rate = rate;
		this.#active.setRate(rate);
		this.#other.setRate(rate);
		this.#change.clear();
		this.#placed();
	}

	setLevelling(on: boolean): void {
		this.#levelling = on;
		this.#level();
	}

	setCrossfade(seconds: number): void {
		this.#crossfade = clamp(seconds, 0, MAX_CROSSFADE_S);
	}

	/** The song on is to be the last. */
	setStopAfter(stop: boolean): void {
		this.#stopAfter = stop;
		this.#change.clear();
	}

	/** Falls asleep: slowly quieter, then paused. `then` comes unless the listener does something first. */
	fadeToPause(ms: number, then: () => void): void {
		if (!this.#active.wanted) return then();
		this.#change.clear();
		this.#whenAsleep = then;
		this.#active.fader.rampTo(0, ms, () => {
			if (this.#whenAsleep === null) return;
			this.#active.pause(0);
			this.#tell();
			this.#sleep();
		});
	}

	/** Awake again before it was quiet. */
	wake(): void {
		if (this.#whenAsleep === null) return;
		this.#whenAsleep = null;
		this.#active.fader.rampTo(1, TOGGLE_FADE_MS);
	}

	dispose(): void {
		this.#change.clear();
		this.#tail.clear();
		this.#stopListening();
		this.#active.dispose();
		this.#other.dispose();
		this.#controls.dispose();
	}

	#play(fadeMs: number): void {
		this.#active.play(fadeMs);
		if (this.#touched) return;
		this.#touched = true;
		this.#other.touch();
	}

	#swap(): void {
		[this.#active, this.#other] = [this.#other, this.#active];
	}

	/** The other deck was heard until now: it plays out over `fadeMs`, or with null to its end. */
	#leave(fadeMs: number | null): void {
		const old = this.#other;
		if (!old.wanted) return this.#left();
		this.#leaving = true;
		if (fadeMs === null) this.#tail.in(TAIL_MS, () => this.#left());
		else old.fader.rampTo(0, fadeMs, () => this.#left());
	}

	#left(): void {
		this.#tail.clear();
		this.#leaving = false;
		this.#other.unload();
		this.#ahead();
	}

	#sleep(): void {
		const then = this.#whenAsleep;
		this.#whenAsleep = null;
		then?.();
	}

	#level(): void {
		for (const deck of [this.#active, this.#other]) {
			const gain = levelGain(deck.track?.loudness, this.#levelling);
			deck.setVolume(this.#volume * gain, this.#muted);
		}
	}

	#tell(): void {
		const state = this.state;
		this.#controls.state(state.playing, state.track !== null);
		const told = `${state.track?.key} ${state.playing} ${state.duration} ${this.#rate}`;
		if (told !== this.#told) {
			this.#told = told;
			this.#controls.place(state.position, state.duration, this.#rate);
		}
		this.#events.changed(state);
	}

	#placed(): void {
		this.#told = '';
		this.#tell();
	}

	#ended(deck: Deck): boolean {
		return deck.duration > 0 && deck.position >= deck.duration - 0.05;
	}

	#deckChanged(deck: Deck): void {
		if (deck !== this.#active) return;
		this.#ahead();
		this.#tell();
	}

	/** A deck has lost its song for good. When it held the next one, nobody has heard anything of it. */
	#lost(deck: Deck, tell: (current: boolean) => void): void {
		if (deck === this.#active) return tell(true);
		if (this.#leaving) return this.#left();
		deck.unload();
		this.#next = null;
		tell(false);
	}

	#deckEnded(deck: Deck): void {
		if (deck !== this.#active) return this.#left();
		this.#change.clear();
		if (this.#next === null || this.#stopAfter || this.#whenAsleep !== null) return this.#finish();
		this.#advance(0);
	}

	#finish(): void {
		this.#change.clear();
		this.#active.pause(0);
		this.#active.seek(0);
		this.#placed();
		this.#sleep();
		this.#events.finished();
	}

	/** Seconds of listening until the song on is over. */
	get #remaining(): number {
		return (this.#active.duration - this.#active.position) / this.#rate;
	}

	/** How long the change to the next song may take: neither song is all crossfade. */
	get #overlap(): number {
		const next = this.#next?.durationSec ?? 0;
		const half = Math.min(this.#active.duration, next > 0 ? next : Infinity) / 2 / this.#rate;
		const overlap = Math.min(this.#crossfade, half);
		return overlap < 0.2 ? 0 : overlap;
	}

	/** Looks ahead: fetches the next song in time, and makes the appointment for the change. */
	#ahead(): void {
		const deck = this.#active;
		if (this.#next === null || this.#stopAfter || this.#leaving || this.#whenAsleep !== null) return;
		if (!deck.wanted || !(deck.duration > 0)) return;
		const remaining = this.#remaining;
		const overlap = this.#overlap;
		if (remaining > PRELOAD_AHEAD_S + overlap) return;
		if (this.#other.track?.key !== this.#next.key || this.#other.stale) {
			this.#other.preload(this.#next);
			this.#level();
		}
		const until = remaining - (overlap > 0 ? overlap : START_LEAD_S);
		if (until > FINE_S || this.#change.set || deck.waiting) return;
		this.#change.in(until * 1000, () => this.#due());
	}

	/** The moment of the change, if the song has come as far as expected. */
	#due(): void {
		if (!this.#active.wanted || this.#active.waiting || this.#next === null) return;
		const overlap = this.#overlap;
		const until = this.#remaining - (overlap > 0 ? overlap : START_LEAD_S);
		if (until > 0.03) return this.#change.in(until * 1000, () => this.#due());
		// What would have to wait for its bytes waits for the end instead of cutting it off.
		if (this.#other.ready) this.#advance(overlap * 1000);
	}

	#advance(overlapMs: number): void {
		const next = this.#next;
		if (next === null) return;
		if (this.#leaving || this.#other.track?.key !== next.key) this.#other.cue(next);
		this.#next = null;
		this.#swap();
		this.#level();
		this.#active.play(overlapMs);
		// Without overlap, the old one plays its last milliseconds to the end.
		if (this.#ended(this.#other)) this.#left();
		else this.#leave(overlapMs > 0 ? overlapMs : null);
		this.#controls.describe(next);
		this.#events.advanced(next);
		this.#placed();
	}
}
