/** An audio element and a clock that tests turn by hand. */
import type { Clock } from './clock';
import type { AudioElement, Track } from './source';
import type { Song } from './queue';

export class FakeClock implements Clock {
	#now = 1_000_000;
	#serial = 0;
	readonly #due = new Map<number, { at: number; run: () => void }>();

	now = (): number => this.#now;

	after(ms: number, run: () => void): () => void {
		const id = ++this.#serial;
		this.#due.set(id, { at: this.#now + Math.max(0, ms), run });
		return () => this.#due.delete(id);
	}

	/** Lets `seconds` pass, with everything that falls due in them, in order. */
	async pass(seconds: number): Promise<void> {
		const end = this.#now + seconds * 1000;
		await settle();
		for (;;) {
			let first: [number, { at: number; run: () => void }] | null = null;
			for (const entry of this.#due) if (first === null || entry[1].at < first[1].at) first = entry;
			if (first === null || first[1].at > end) break;
			this.#due.delete(first[0]);
			this.#now = Math.max(this.#now, first[1].at);
			first[1].run();
			await settle();
		}
		this.#now = end;
	}
}

/** Lets every promise that can settle do so. */
export async function settle(): Promise<void> {
	for (let i = 0; i < 12; i++) await Promise.resolve();
}

const TICK_MS = 250;

/** Plays nothing, in the right time and with the events of a real one. */
export class FakeAudio implements AudioElement {
	src = '';
	volume = 1;
	muted = false;
	defaultPlaybackRate = 1;
	preservesPitch = true;
	preload: HTMLAudioElement['preload'] = '';
	paused = true;
	ended = false;
	seeking = false;
	readyState = 0;
	duration = NaN;
	error: { code: number } | null = null;
	/** Every address that was put on, in order. */
	readonly sources: string[] = [];
	/** When it began to sound, by the clock. */
	readonly starts: number[] = [];
	/** What `play` throws, if anything. */
	refusal: Error | null = null;
	#rate = 1;
	#at = 0;
	#since: number | null = null;
	#listeners = new Map<string, Set<() => void>>();
	#cancelTick: (() => void) | null = null;

	constructor(
		private readonly clock: Clock,
		/** The length of what an address leads to; null when it leads to nothing. */
		private readonly lengthOf: (src: string) => number | null
	) {}

	get currentTime(): number {
		if (this.#since === null) return this.#at;
		return Math.min(this.duration, this.#at + ((this.clock.now() - this.#since) / 1000) * this.playbackRate);
	}

	set currentTime(to: number) {
		this.#at = this.readyState > 0 ? Math.min(to, this.duration) : to;
		if (this.#since !== null) this.#since = this.clock.now();
		this.ended = false;
		if (this.readyState === 0) return;
		this.seeking = true;
		this.#soon(() => {
			this.seeking = false;
			this.tell('seeked');
		});
	}

	get playbackRate(): number {
		return this.#rate;
	}

	set playbackRate(rate: number) {
		this.#at = this.currentTime;
		if (this.#since !== null) this.#since = this.clock.now();
		this.#rate = rate;
	}

	get buffered() {
		const end = this.duration;
		return { length: this.readyState > 0 ? 1 : 0, start: () => 0, end: () => end };
	}

	get sounding(): boolean {
		return this.#since !== null;
	}

	addEventListener(type: string, listener: () => void): void {
		const known = this.#listeners.get(type) ?? new Set();
		this.#listeners.set(type, known.add(listener));
	}

	removeEventListener(type: string, listener: () => void): void {
		this.#listeners.get(type)?.delete(listener);
	}

	tell(type: string): void {
		for (const listener of this.#listeners.get(type) ?? []) listener();
	}

	removeAttribute(): void {
		this.src = '';
	}

	load(): void {
		this.#halt();
		this.paused = true;
		this.error = null;
		this.ended = this.seeking = false;
		this.readyState = 0;
		this.duration = NaN;
		this.#at = 0;
		if (this.src === '') return;
		this.sources.push(this.src);
		const src = this.src;
		this.#soon(() => {
			if (this.src !== src || this.readyState > 0) return;
			const length = this.lengthOf(src);
			if (length === null) return this.fail(4);
			this.duration = length;
			this.readyState = 4;
			this.tell('loadedmetadata');
			this.tell('canplay');
			if (!this.paused) this.#go();
		});
	}

	async play(): Promise<void> {
		if (this.refusal !== null) throw this.refusal;
		this.paused = false;
		if (this.ended) this.#at = 0;
		this.ended = false;
		if (this.readyState >= 3) this.#go();
	}

	pause(): void {
		if (this.paused) return;
		this.#halt();
		this.paused = true;
		this.#soon(() => this.tell('pause'));
	}

	/** Breaks as an element does: 2 for the network, 3 for the bytes, 4 for the address. */
	fail(code: number): void {
		this.#halt();
		this.error = { code };
		this.tell('error');
	}

	#go(): void {
		if (this.#since !== null) return;
		this.#since = this.clock.now();
		this.starts.push(this.clock.now());
		this.tell('playing');
		this.#tick();
	}

	#halt(): void {
		this.#at = this.currentTime;
		this.#since = null;
		this.#cancelTick?.();
	}

	#tick(): void {
		this.#cancelTick?.();
		const left = ((this.duration - this.currentTime) / this.playbackRate) * 1000;
		this.#cancelTick = this.clock.after(Math.min(TICK_MS, left), () => {
			if (this.currentTime < this.duration - 1e-6) {
				this.tell('timeupdate');
				return this.#tick();
			}
			this.#halt();
			this.ended = this.paused = true;
			this.tell('timeupdate');
			this.tell('pause');
			this.tell('ended');
		});
	}

	#soon(run: () => void): void {
		this.clock.after(1, run);
	}
}

export function track(name: string, seconds = 100, loudness: number | null = null): Track {
	return {
		key: name,
		songId: name,
		title: name,
		artist: 'Artist',
		album: null,
		durationSec: seconds,
		loudness,
		coverUrl: null
	};
}

export function song(id: string, seconds = 100): Song {
	return {
		id,
		title: `Title ${id}`,
		artist: `Artist ${id}`,
		album: null,
		duration_sec: seconds,
		source_provider: 'youtube',
		source_id: id,
		source_channel: null,
		codec: 'opus',
		bitrate_kbps: 128,
		loudness_lufs: null,
		cover_url: null,
		added_at: '2026-01-01T00:00:00Z'
	};
}
