/** What the engine plays, and where the bytes come from. */
import type { SongEntry } from './queue';

export interface Track {
	/** The queue entry's key: the same song may be played twice in a row. */
	readonly key: string;
	readonly songId: string;
	readonly title: string;
	readonly artist: string | null;
	readonly album: string | null;
	/** Seconds, as the library knows it; the element's own word counts once there is one. */
	readonly durationSec: number;
	/** LUFS, or null when it has not been measured. */
	readonly loudness: number | null;
	readonly coverUrl: string | null;
}

export const trackOf = ({ key, song }: SongEntry): Track => ({
	key,
	songId: song.id,
	title: song.title,
	artist: song.artist ?? null,
	album: song.album ?? null,
	durationSec: song.duration_sec,
	loudness: song.loudness_lufs ?? null,
	coverUrl: song.cover_url ?? null
});

/** A signed address and how long it is good for. */
export interface Source {
	readonly url: string;
	readonly expiresIn: number;
}

export type SourceProblemKind =
	/** The song is not in the library any more. */
	| 'gone'
	/** The server cannot be reached or is not well: worth another try. */
	| 'unreachable';

export class SourceProblem extends Error {
	constructor(
		readonly kind: SourceProblemKind,
		/** Seconds the server asks to wait for. */
		readonly retryAfter?: number
	) {
		super(kind);
		this.name = 'SourceProblem';
	}
}

/** Answers an address for a song or throws a `SourceProblem`. */
export type FindSource = (songId: string) => Promise<Source>;

/** What the engine uses of `HTMLAudioElement`, so that a test can give it another. */
export type AudioElement = Pick<
	HTMLAudioElement,
	| 'src'
	| 'currentTime'
	| 'duration'
	| 'ended'
	| 'paused'
	| 'seeking'
	| 'volume'
	| 'muted'
	| 'playbackRate'
	| 'defaultPlaybackRate'
	| 'preservesPitch'
	| 'preload'
	| 'readyState'
	| 'play'
	| 'pause'
	| 'load'
	| 'removeAttribute'
> & {
	readonly buffered: Pick<TimeRanges, 'length' | 'start' | 'end'>;
	readonly error: Pick<MediaError, 'code'> | null;
	addEventListener(type: string, listener: () => void): void;
	removeEventListener(type: string, listener: () => void): void;
};
