/** The system's own controls: lock screen, headset, keyboard keys. Used by the engine alone. */
import type { Track } from './source';

export interface MediaCommands {
	play(): void;
	pause(): void;
	next(): void;
	previous(): void;
	seekTo(seconds: number): void;
	seekBy(seconds: number): void;
}

const STEP_S = 10;

export class SystemControls {
	#key: string | null = null;

	constructor(
		private readonly session: MediaSession | null,
		commands: MediaCommands
	) {
		this.#handle('play', () => commands.play());
		this.#handle('pause', () => commands.pause());
		this.#handle('stop', () => commands.pause());
		this.#handle('nexttrack', () => commands.next());
		this.#handle('previoustrack', () => commands.previous());
		this.#handle('seekto', ({ seekTime }) => {
			if (seekTime !== undefined) commands.seekTo(seekTime);
		});
		this.#handle('seekbackward', ({ seekOffset }) => commands.seekBy(-(seekOffset ?? STEP_S)));
		this.#handle('seekforward', ({ seekOffset }) => commands.seekBy(seekOffset ?? STEP_S));
	}

	#handle(action: MediaSessionAction, handler: MediaSessionActionHandler | null): void {
		try {
			this.session?.setActionHandler(action, handler);
		} catch {
			// Not every browser knows every action.
		}
	}

	describe(track: Track | null): void {
		if (this.session === null || typeof MediaMetadata === 'undefined') return;
		const key = track && JSON.stringify([track.title, track.artist, track.album, track.coverUrl]);
		if (key === this.#key) return;
		this.#key = key;
		this.session.metadata =
			track &&
			new MediaMetadata({
				title: track.title,
				artist: track.artist ?? '',
				album: track.album ?? '',
				artwork: track.coverUrl === null ? [] : [{ src: track.coverUrl }]
			});
	}

	state(playing: boolean, loaded: boolean): void {
		if (this.session !== null)
			this.session.playbackState = loaded ? (playing ? 'playing' : 'paused') : 'none';
	}

	place(position: number, duration: number, playbackRate: number): void {
		if (!(duration > 0)) return;
		try {
			this.session?.setPositionState?.({ duration, playbackRate, position: Math.min(position, duration) });
		} catch {
			// A browser that rounds the duration differently refuses the place; the next one will do.
		}
	}

	dispose(): void {
		const actions: MediaSessionAction[] = [
			'play',
			'pause',
			'stop',
			'nexttrack',
			'previoustrack',
			'seekto',
			'seekbackward',
			'seekforward'
		];
		for (const action of actions) this.#handle(action, null);
		this.describe(null);
		this.state(false, false);
	}
}
