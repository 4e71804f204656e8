/**
 * One audio element and the song on it. A deck keeps the promise "this song, from here": it finds the
 * address, finds a new one when that has expired, and comes back to the same place when the network or the
 * server has been away. Which song is on it, and when, is the engine's business.
 */
import { backoffMs, Timer, type Clock } from './clock';
import { Fader } from './fader';
import { SourceProblem, type AudioElement, type FindSource, type Track } from './source';
import { clamp } from './volume';

/** Long enough that the ear hears no click, short enough that the finger feels no delay. */
export const TOGGLE_FADE_MS = 80;
/** An address is renewed a little before it ends, so that a request under way is not cut off. */
const EXPIRY_MARGIN_MS = 5_000;
/** Playing without progress for this long counts as a lost connection. */
const STALL_MS = 10_000;
/** So often may a fresh address fail to play before the song is given up. */
const MAX_UNPLAYABLE = 5;
const HAVE_METADATA = 1;
const HAVE_FUTURE_DATA = 3;
const MEDIA_ERR_ABORTED = 1;
const MEDIA_ERR_NETWORK = 2;

export interface DeckEvents {
	/** Position, buffer, duration or state may have changed. */
	changed(deck: Deck): void;
	ended(deck: Deck): void;
	/** The song is not in the library any more. */
	gone(deck: Deck, track: Track): void;
	/** The song's bytes cannot be played. */
	unplayable(deck: Deck, track: Track): void;
	/** The browser wants a click first, or something outside has paused the element. */
	paused(deck: Deck): void;
}

export interface DeckDeps {
	readonly audio: AudioElement;
	readonly clock: Clock;
	readonly findSource: FindSource;
	readonly events: DeckEvents;
}

const WATCHED = [
	'timeupdate',
	'loadedmetadata',
	'durationchange',
	'progress',
	'playing',
	'canplay',
	'waiting',
	'stalled',
	'seeked',
	'ended',
	'error',
	'pause'
] as const;

export class Deck {
	#track: Track | null = null;
	#wanted = false;
	#waiting = false;
	/** Where to stand as soon as the element can. */
	#target: number | null = null;
	#position = 0;
	#hasSource = false;
	#finding = false;
	#expiresAt = 0;
	/** Raised with every change of song or source: what answers to an older one comes too late. */
	#ticket = 0;
	#failures = 0;
	#unplayable = 0;
	#failedAt = 0;
	#rate = 1;
	readonly #retry: Timer;
	readonly #stall: Timer;
	readonly fader: Fader;
	readonly #listeners: ReadonlyArray<readonly [string, () => void]>;

	constructor(private readonly deps: DeckDeps) {
		deps.audio.preload = 'auto';
		this.#retry = new Timer(deps.clock);
		this.#stall = new Timer(deps.clock);
		this.fader = new Fader(deps.audio, deps.clock);
		this.#listeners = WATCHED.map((type) => [type, () => this.#heard(type)] as const);
		for (const [type, listener] of this.#listeners) deps.audio.addEventListener(type, listener);
	}

	get track(): Track | null {
		return this.#track;
	}

	/** Whether it should be sounding; it may still be waiting for bytes. */
	get wanted(): boolean {
		return this.#wanted;
	}

	get waiting(): boolean {
		return this.#wanted && this.#waiting;
	}

	get position(): number {
		return this.#target ?? this.#position;
	}

	get duration(): number {
		const own = this.#hasSource ? this.deps.audio.duration : NaN;
		return Number.isFinite(own) && own > 0 ? own : (this.#track?.durationSec ?? 0);
	}

	/** Up to where the bytes are here, from the position on. */
	get buffered(): number {
		const { buffered } = this.deps.audio;
		for (let i = 0; this.#hasSource && i < buffered.length; i++) {
			if (buffered.start(i) <= this.position + 0.5 && buffered.end(i) >= this.position)
				return buffered.end(i);
		}
		return this.position;
	}

	/** Whether it would sound at once. */
	get ready(): boolean {
		return this.#hasSource && !this.#expired && this.deps.audio.readyState >= HAVE_FUTURE_DATA;
	}

	/** What was fetched ahead has been lying here for too long. */
	get stale(): boolean {
		return this.#hasSource && this.#expired;
	}

	get #expired(): boolean {
		return this.deps.clock.now() >= this.#expiresAt;
	}

	/** Puts a song on, silently and without asking for its bytes. */
	cue(track: Track, at = 0): void {
		this.unload();
		this.#track = track;
		this.#position = at;
		this.#target = at > 0 ? at : null;
		this.deps.events.changed(this);
	}

	/** Puts a song on and gets its first bytes, so that it can start at once later. */
	preload(track: Track): void {
		this.cue(track);
		void this.#load();
	}

	play(fadeMs = 0): void {
		if (this.#track === null) return;
		this.#wanted = true;
		if (fadeMs > 0) {
			if (this.deps.audio.paused) this.fader.set(0);
			this.fader.rampTo(1, fadeMs);
		} else this.fader.set(1);
		if (this.#finding) return this.#setWaiting(true);
		if (!this.#hasSource || this.#expired || this.deps.audio.error !== null) return this.#renew();
		this.#start();
	}

	/** Falls silent softly, then stops. `then` comes once it is silent. */
	pause(fadeMs = TOGGLE_FADE_MS, then: () => void = () => {}): void {
		this.#wanted = false;
		this.#setWaiting(false);
		this.#stopTimers();
		const stop = () => {
			this.deps.audio.pause();
			this.fader.set(1);
			then();
		};
		if (this.deps.audio.paused || fadeMs <= 0) stop();
		else this.fader.rampTo(0, fadeMs, stop);
		this.deps.events.changed(this);
	}

	seek(to: number): void {
		if (this.#track === null) return;
		const target = clamp(to, 0, Math.max(0, this.duration || to));
		this.#target = target;
		this.#position = target;
		if (this.#hasSource && this.#expired && !this.#finding) this.#renew();
		else this.#applyTarget();
		this.deps.events.changed(this);
	}

	unload(): void {
		this.#ticket++;
		this.#stopTimers();
		this.#track = null;
		this.#wanted = this.#waiting = this.#finding = false;
		this.#target = null;
		this.#position = 0;
		this.#failures = this.#unplayable = 0;
		this.deps.audio.pause();
		if (this.#hasSource) {
			this.#hasSource = false;
			this.deps.audio.removeAttribute('src');
			this.deps.audio.load();
		}
		this.fader.set(1);
	}

	/** Some browsers let an element play without a click only after it was touched during one. */
	touch(): void {
		if (!this.#hasSource) this.deps.audio.load();
	}

	setVolume(volume: number, muted: boolean): void {
		this.deps.audio.muted = muted;
		this.fader.setVolume(volume);
	}

	setRate(rate: number): void {
		this.#rate = rate;
		const { audio } = this.deps;
		audio.preservesPitch = true;
		audio.defaultPlaybackRate = rate;
		audio.playbackRate = rate;
	}

	/** The network is back: what waits for its next try need not wait longer. */
	retryNow(): void {
		if (this.#retry.set) void this.#load();
	}

	dispose(): void {
		this.unload();
		for (const [type, listener] of this.#listeners) this.deps.audio.removeEventListener(type, listener);
	}

	/** A new address for the same song, and on from the same place. */
	#renew(): void {
		if (this.position > 0) this.#target = this.position;
		// What still sounds is from another place.
		this.deps.audio.pause();
		void this.#load();
	}

	async #load(): Promise<void> {
		const track = this.#track;
		if (track === null) return;
		const ticket = ++this.#ticket;
		this.#stopTimers();
		this.#finding = true;
		this.#setWaiting(this.#wanted);
		let source;
		try {
			source = await this.deps.findSource(track.songId);
		} catch (problem) {
			if (ticket !== this.#ticket) return;
			this.#finding = false;
			return this.#noSource(track, problem);
		}
		if (ticket !== this.#ticket) return;
		this.#finding = false;
		this.#hasSource = true;
		this.#expiresAt = this.deps.clock.now() + Math.max(1_000, source.expiresIn * 1000 - EXPIRY_MARGIN_MS);
		const { audio } = this.deps;
		audio.src = source.url;
		audio.load();
		this.setRate(this.#rate);
		this.#applyTarget();
		if (this.#wanted) this.#start();
	}

	#noSource(track: Track, problem: unknown): void {
		const kind = problem instanceof SourceProblem ? problem.kind : 'unreachable';
		if (kind === 'gone') return this.deps.events.gone(this, track);
		// A deck that only holds the next song does not press; it is asked again when its time comes.
		if (!this.#wanted && this.#failures >= 3) return;
		const asked = problem instanceof SourceProblem ? (problem.retryAfter ?? 0) * 1000 : 0;
		this.#retryIn(Math.max(asked, backoffMs(++this.#failures)));
	}

	#retryIn(ms: number): void {
		this.#setWaiting(this.#wanted);
		this.#retry.in(ms, () => void this.#load());
	}

	#start(): void {
		const ticket = this.#ticket;
		if (this.deps.audio.readyState < HAVE_FUTURE_DATA) this.#setWaiting(true);
		this.deps.audio.play().catch((reason: unknown) => {
			if (ticket !== this.#ticket || !this.#wanted) return;
			// Everything else is told by the `error` event, or is the play that a newer one took the place of.
			if (!(reason instanceof Error) || reason.name !== 'NotAllowedError') return;
			this.#stoppedFromOutside();
		});
	}

	#stoppedFromOutside(): void {
		this.#wanted = false;
		this.#setWaiting(false);
		this.deps.events.paused(this);
	}

	#heard(type: (typeof WATCHED)[number]): void {
		if (this.#track === null || !this.#hasSource || this.#finding) return;
		const { audio } = this.deps;
		switch (type) {
			case 'loadedmetadata':
				this.#applyTarget();
				break;
			case 'seeked':
				if (audio.seeking) break;
				this.#target = null;
				this.#position = audio.currentTime;
				break;
			case 'timeupdate':
				this.#progressed();
				break;
			case 'playing':
			case 'canplay':
				this.#setWaiting(false);
				break;
			case 'waiting':
			case 'stalled':
				if (this.#wanted && audio.readyState < HAVE_FUTURE_DATA) this.#setWaiting(true);
				break;
			case 'progress':
				if (this.#stall.set) this.#watchForStall();
				break;
			case 'pause':
				if (this.#wanted && audio.paused && !audio.ended && audio.error === null) this.#stoppedFromOutside();
				break;
			case 'ended':
				this.#position = this.duration;
				return this.deps.events.ended(this);
			case 'error':
				return this.#broke();
		}
		this.deps.events.changed(this);
	}

	#progressed(): void {
		// Before it stands where it should, the element's own place means nothing.
		if (this.#target !== null) return;
		const now = this.deps.audio.currentTime;
		if (now !== this.#position && this.#waiting && !this.deps.audio.paused) this.#setWaiting(false);
		this.#position = now;
		if (this.#failures + this.#unplayable > 0 && Math.abs(now - this.#failedAt) > 2) {
			this.#failures = this.#unplayable = 0;
		}
	}

	#broke(): void {
		const code = this.deps.audio.error?.code ?? MEDIA_ERR_NETWORK;
		const track = this.#track;
		if (track === null || code === MEDIA_ERR_ABORTED) return;
		// The element says "not supported" for a refused address too, so only a row of failures tells them apart.
		if (code !== MEDIA_ERR_NETWORK && ++this.#unplayable >= MAX_UNPLAYABLE) {
			this.#stopTimers();
			return this.deps.events.unplayable(this, track);
		}
		this.#recover();
	}

	#recover(): void {
		this.#stopTimers();
		if (this.position > 0) this.#target = this.position;
		this.#failedAt = this.position;
		const first = this.#failures++ === 0;
		if (!this.#wanted && !first) {
			this.#hasSource = false;
			return;
		}
		if (first) void this.#load();
		else this.#retryIn(backoffMs(this.#failures - 1));
		this.deps.events.changed(this);
	}

	#applyTarget(): void {
		const { audio } = this.deps;
		if (this.#target === null || !this.#hasSource || this.#finding) return;
		// Before its metadata is there, this sets where the element will begin.
		if (Math.abs(audio.currentTime - this.#target) > 0.05) audio.currentTime = this.#target;
		else if (audio.readyState >= HAVE_METADATA) this.#target = null;
	}

	#setWaiting(waiting: boolean): void {
		if (!waiting || !this.#wanted) this.#stall.clear();
		else if (!this.#stall.set) this.#watchForStall();
		if (this.#waiting === waiting) return;
		this.#waiting = waiting;
		this.deps.events.changed(this);
	}

	#watchForStall(): void {
		this.#stall.in(STALL_MS, () => {
			if (this.#wanted && !this.#finding && !this.#retry.set) this.#recover();
		});
	}

	#stopTimers(): void {
		this.#retry.clear();
		this.#stall.clear();
	}
}
