/**
 * What outlives a reload. The queue and the place in it belong to an account and go when it signs out; how
 * loud and how fast belongs to the device and stays.
 */
import { emptyQueue, type Queue, type QueueEntry, type Repeat, type Song } from './queue';

/** So much of a long queue is kept: a browser gives a site about 5 MB for everything. */
const KEPT_BEFORE = 200;
const KEPT_AFTER = 800;
const KEPT_HISTORY = 50;
const VERSION = 1;

/** The browser's own, or whatever a test has; it may refuse at any time. */
export type Store = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;

export interface Preferences {
	volume: number;
	muted: boolean;
	rate: number;
	levelling: boolean;
	crossfadeSeconds: number;
}

export interface Saved {
	queue: Queue;
	history: Song[];
	/** Seconds into the current song. */
	position: number;
	/** Milliseconds since 1970. */
	savedAt: number;
}

interface SavedQueue {
	version: number;
	songs: Song[];
	index: number;
	since: number;
	/** Places in `songs`, in the order without shuffling. */
	base: number[] | null;
	repeat: Repeat;
	history: Song[];
	savedAt: number;
}

export const defaults: Preferences = {
	volume: 0.8,
	muted: false,
	rate: 1,
	levelling: true,
	crossfadeSeconds: 0
};

const PREFERENCES = 'songkeep.playback';
const queueKey = (userId: string) => `songkeep.queue.${userId}`;
const placeKey = (userId: string) => `songkeep.place.${userId}`;

export class Memory {
	constructor(private readonly store: Store | null) {}

	preferences(): Preferences {
		const saved = this.#read<Partial<Preferences>>(PREFERENCES);
		const number = (value: unknown, low: number, high: number, otherwise: number) =>
			typeof value === 'number' && value >= low && value <= high ? value : otherwise;
		return {
			volume: number(saved?.volume, 0, 1, defaults.volume),
			muted: saved?.muted === true,
			rate: number(saved?.rate, 0.25, 4, defaults.rate),
			levelling: saved?.levelling !== false,
			crossfadeSeconds: number(saved?.crossfadeSeconds, 0, 12, defaults.crossfadeSeconds)
		};
	}

	savePreferences(preferences: Preferences): void {
		this.#write(PREFERENCES, preferences);
	}

	saveQueue(userId: string, queue: Queue, history: readonly Song[]): void {
		this.#write(queueKey(userId), { ...packed(queue, history), savedAt: Date.now() });
	}

	savePlace(userId: string, songId: string | null, position: number): void {
		this.#write(placeKey(userId), { songId, position });
	}

	restore(userId: string): Saved | null {
		const saved = this.#read<SavedQueue>(queueKey(userId));
		if (saved?.version !== VERSION || !Array.isArray(saved.songs)) return null;
		const queue = unpacked(saved);
		const place = this.#read<{ songId: string | null; position: number }>(placeKey(userId));
		const here = queue.entries[queue.index];
		const same = here?.kind === 'song' && here.song.id === place?.songId;
		return {
			queue,
			history: Array.isArray(saved.history) ? saved.history : [],
			position: same && Number.isFinite(place?.position) ? Math.max(0, place?.position ?? 0) : 0,
			savedAt: Number(saved.savedAt) || 0
		};
	}

	forget(userId: string): void {
		try {
			this.store?.removeItem(queueKey(userId));
			this.store?.removeItem(placeKey(userId));
		} catch {
			// Nothing was kept then, either.
		}
	}

	#read<T>(key: string): T | null {
		try {
			return JSON.parse(this.store?.getItem(key) ?? 'null') as T | null;
		} catch {
			return null;
		}
	}

	#write(key: string, value: unknown): void {
		try {
			this.store?.setItem(key, JSON.stringify(value));
		} catch {
			// Full or forbidden: it plays all the same, only a reload starts afresh.
		}
	}
}

type SongEntries = Extract<QueueEntry, { kind: 'song' }>[];

function packed(queue: Queue, history: readonly Song[]): Omit<SavedQueue, 'savedAt'> {
	const from = Math.max(0, queue.index - KEPT_BEFORE);
	const kept = queue.entries
		.slice(from, Math.max(0, queue.index) + KEPT_AFTER)
		.filter((entry) => entry.kind === 'song') as SongEntries;
	const at = new Map(kept.map((entry, i) => [entry.key, i]));
	const here = queue.entries[queue.index];
	return {
		version: VERSION,
		songs: kept.map(({ song }) => song),
		index: here === undefined ? -1 : (at.get(here.key) ?? -1),
		since: Math.max(0, queue.since - from),
		base: queue.base?.map(({ key }) => at.get(key)).filter((i) => i !== undefined) ?? null,
		repeat: queue.repeat,
		history: history.slice(0, KEPT_HISTORY)
	};
}

function unpacked(saved: SavedQueue): Queue {
	const entries = saved.songs.map((song, i): QueueEntry => ({ kind: 'song', key: String(i + 1), song }));
	const index = Math.min(Math.max(-1, saved.index), entries.length - 1);
	const base = saved.base?.map((i) => entries[i]).filter((entry) => entry !== undefined) ?? null;
	const whole = base === null || new Set(base).size === entries.length;
	return {
		...emptyQueue,
		entries,
		index,
		since: Math.max(0, Math.min(saved.since, index)),
		base: whole ? base : entries,
		repeat: (['off', 'all', 'one'] as const).find((repeat) => repeat === saved.repeat) ?? 'off',
		serial: entries.length + 1
	};
}
