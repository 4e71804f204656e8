/**
 * The order in which songs are played. Pure: every function takes a queue and returns another, and none of
 * them knows of sound, of the page or of Svelte.
 *
 * `entries` is the order of play and `index` the place in it: what is before has been passed, what is after
 * comes next. At -1 nothing is current and everything is to come. While shuffled, `base` keeps the order that un-shuffling brings back. `since` is where playing
 * began: what is before it was never heard, so shuffling takes it in.
 */
import type { components } from '@songkeep/api-client';

export type Song = components['schemas']['Song'];
export type Job = components['schemas']['Job'];
export type Repeat = 'off' | 'all' | 'one';
/** A number in [0, 1), like `Math.random`. */
export type Random = () => number;

export interface SongEntry {
	readonly kind: 'song';
	/** The same song may be queued twice; this tells the two apart. */
	readonly key: string;
	readonly song: Song;
}

/** A song that is still on its way. It is passed over until it has arrived. */
export interface ImportEntry {
	readonly kind: 'import';
	readonly key: string;
	readonly job: Job;
}

export type QueueEntry = SongEntry | ImportEntry;

export interface Queue {
	readonly entries: readonly QueueEntry[];
	readonly index: number;
	readonly since: number;
	readonly base: readonly QueueEntry[] | null;
	readonly repeat: Repeat;
	/** The number of the next key. */
	readonly serial: number;
}

export const emptyQueue: Queue = {
	entries: [],
	index: -1,
	since: 0,
	base: null,
	repeat: 'off',
	serial: 1
};

export const isShuffled = (queue: Queue): boolean => queue.base !== null;

export function currentOf(queue: Queue): SongEntry | null {
	const entry = queue.entries[queue.index];
	return entry?.kind === 'song' ? entry : null;
}

export const upcomingOf = (queue: Queue): readonly QueueEntry[] => queue.entries.slice(queue.index + 1);

/** A fair permutation (Fisher–Yates). */
export function shuffled<T>(items: readonly T[], random: Random): T[] {
	const out = items.slice();
	for (let i = out.length - 1; i > 0; i--) {
		const j = Math.floor(random() * (i + 1));
		const kept = out[i] as T;
		out[i] = out[j] as T;
		out[j] = kept;
	}
	return out;
}

function entriesFor(queue: Queue, songs: readonly Song[]): { entries: SongEntry[]; serial: number } {
	let serial = queue.serial;
	const entries = songs.map((song): SongEntry => ({ kind: 'song', key: String(serial++), song }));
	return { entries, serial };
}

/** Starts anew with `songs`, at `start`. Shuffled, `start` comes first and all the others after it. */
export function replaced(
	queue: Queue,
	songs: readonly Song[],
	start: number,
	shuffle: boolean,
	random: Random
): Queue {
	const { entries, serial } = entriesFor(queue, songs);
	if (entries.length === 0) {
		return { ...emptyQueue, repeat: queue.repeat, base: shuffle ? [] : null, serial };
	}
	const first = Math.min(Math.max(0, Math.trunc(start)), entries.length - 1);
	if (!shuffle) return { ...queue, entries, index: first, since: first, base: null, serial };
	const head = entries[first] as SongEntry;
	const rest = entries.filter((entry) => entry !== head);
	return { ...queue, entries: [head, ...shuffled(rest, random)], index: 0, since: 0, base: entries, serial };
}

/** What has been heard stays before the current song; everything else is mixed after it, once each. */
function shuffleRest(queue: Queue, random: Random): Queue {
	const heard = queue.entries.slice(queue.since, queue.index + 1);
	const rest = queue.entries.slice(0, queue.since).concat(queue.entries.slice(queue.index + 1));
	return {
		...queue,
		entries: heard.concat(shuffled(rest, random)),
		index: queue.index - queue.since,
		since: 0,
		base: queue.base ?? queue.entries
	};
}

export function withShuffle(queue: Queue, on: boolean, random: Random): Queue {
	if (on === isShuffled(queue)) return queue;
	if (on) return shuffleRest(queue, random);
	const base = queue.base ?? [];
	const here = queue.entries[queue.index];
	const index = here === undefined ? -1 : base.findIndex((entry) => entry.key === here.key);
	return { ...queue, entries: base, index, since: Math.max(0, index), base: null };
}

export const withRepeat = (queue: Queue, repeat: Repeat): Queue => ({ ...queue, repeat });

function insertedAt(queue: Queue, at: number, added: readonly QueueEntry[], serial: number): Queue {
	const place = (list: readonly QueueEntry[], position: number) => [
		...list.slice(0, position),
		...added,
		...list.slice(position)
	];
	let base = queue.base;
	if (base !== null) {
		// Un-shuffled, they follow what they follow now.
		const before = queue.entries[at - 1];
		const anchor = before === undefined ? -1 : base.findIndex((entry) => entry.key === before.key);
		base = place(base, at >= queue.entries.length ? base.length : anchor + 1);
	}
	return { ...queue, entries: place(queue.entries, at), base, serial };
}

/** Puts songs directly after the current one. With nothing current, the first of them becomes it. */
export function playedNext(queue: Queue, songs: readonly Song[]): Queue {
	if (songs.length === 0) return queue;
	const { entries, serial } = entriesFor(queue, songs);
	const next = insertedAt(queue, queue.index + 1, entries, serial);
	return next.index < 0 ? { ...next, index: 0 } : next;
}

/** Puts songs at the end. With nothing current, the first of them becomes it. */
export function enqueued(queue: Queue, songs: readonly Song[]): Queue {
	if (queue.index < 0) return playedNext(queue, songs);
	const { entries, serial } = entriesFor(queue, songs);
	return insertedAt(queue, queue.entries.length, entries, serial);
}

/**
 * More of the list that is being played, such as its next page. Unlike what a listener queues, it is mixed in
 * with the rest while shuffled, so that early pages do not come first.
 */
export function extended(queue: Queue, songs: readonly Song[], random: Random): Queue {
	if (queue.base === null || queue.index < 0) return enqueued(queue, songs);
	const { entries: added, serial } = entriesFor(queue, songs);
	const kept = queue.entries.slice(queue.index + 1);
	const fresh: QueueEntry[] = shuffled(added, random);
	const mixed: QueueEntry[] = [];
	let [i, j] = [0, 0];
	while (i < kept.length || j < fresh.length) {
		const left = fresh.length - j;
		const takesFresh = random() * (left + kept.length - i) < left;
		mixed.push((takesFresh ? fresh[j++] : kept[i++]) as QueueEntry);
	}
	const entries = queue.entries.slice(0, queue.index + 1).concat(mixed);
	return { ...queue, entries, base: [...queue.base, ...added], serial };
}

/** Puts a song that is still being imported directly after the current one, unless it waits already. */
export function awaited(queue: Queue, job: Job): Queue {
	if (queue.entries.some((entry) => entry.kind === 'import' && entry.job.id === job.id)) {
		return withJob(queue, job);
	}
	const entry: ImportEntry = { kind: 'import', key: String(queue.serial), job };
	return insertedAt(queue, queue.index + 1, [entry], queue.serial + 1);
}

function mapped(queue: Queue, change: (entry: QueueEntry) => QueueEntry): Queue {
	return {
		...queue,
		entries: queue.entries.map(change),
		base: queue.base === null ? null : queue.base.map(change)
	};
}

/** Newer news of a job that something waits for. */
export function withJob(queue: Queue, job: Job): Queue {
	return mapped(queue, (entry) =>
		entry.kind === 'import' && entry.job.id === job.id ? { ...entry, job } : entry
	);
}

/** The job is done: its place is taken by the song. */
export function arrived(queue: Queue, jobId: string, song: Song): Queue {
	return mapped(queue, (entry) =>
		entry.kind === 'import' && entry.job.id === jobId ? { kind: 'song', key: entry.key, song } : entry
	);
}

/** The song's title, artist or cover has changed. */
export function withSong(queue: Queue, song: Song): Queue {
	if (!queue.entries.some((entry) => entry.kind === 'song' && entry.song.id === song.id)) return queue;
	return mapped(queue, (entry) =>
		entry.kind === 'song' && entry.song.id === song.id ? { ...entry, song } : entry
	);
}

/**
 * Takes out every entry that `unwanted` names. When the current one goes, the next song takes its place,
 * or with `repeat: 'all'` the first one; with none left after it, nothing is current.
 */
export function without(queue: Queue, unwanted: (entry: QueueEntry) => boolean): Queue {
	const kept: QueueEntry[] = [];
	let index = queue.index;
	let since = queue.since;
	queue.entries.forEach((entry, at) => {
		if (!unwanted(entry)) kept.push(entry);
		else {
			if (at < queue.index) index--;
			if (at < queue.since) since--;
		}
	});
	if (kept.length === queue.entries.length) return queue;
	const base = queue.base === null ? null : queue.base.filter((entry) => !unwanted(entry));
	const next = { ...queue, entries: kept, index, since: Math.max(0, Math.min(since, index)), base };
	const here = queue.entries[queue.index];
	return here === undefined || !unwanted(here) ? next : landed(next);
}

/**
 * After the current entry has gone: stands on the first song from here on. With none, what has been heard is
 * let go too, and only imports are still to come.
 */
function landed(queue: Queue): Queue {
	const settled = settledAt(queue, queue.index);
	if (settled !== null) return settled;
	if (queue.repeat === 'all') {
		const first = settledAt({ ...queue, since: 0 }, 0);
		if (first !== null) return first;
	}
	const entries = queue.entries.slice(queue.index);
	return { ...queue, entries, index: -1, since: 0, base: queue.base === null ? null : entries };
}

/** Stands on the first song at or after `at`; imports passed over stay directly after it. */
function settledAt(queue: Queue, at: number): Queue | null {
	let found = at;
	while (found < queue.entries.length && queue.entries[found]?.kind !== 'song') found++;
	if (found >= queue.entries.length) return null;
	if (found === at) return { ...queue, index: at };
	const entries = [
		...queue.entries.slice(0, at),
		queue.entries[found] as QueueEntry,
		...queue.entries.slice(at, found),
		...queue.entries.slice(found + 1)
	];
	return { ...queue, entries, index: at };
}

export const removedAt = (queue: Queue, at: number): Queue => {
	const entry = queue.entries[at];
	return entry === undefined ? queue : without(queue, (other) => other.key === entry.key);
};

/** Moves one entry to where another is. The current song stays current wherever it ends up. */
export function moved(queue: Queue, from: number, to: number): Queue {
	const entry = queue.entries[from];
	if (entry === undefined || to < 0 || to >= queue.entries.length || from === to) return queue;
	const entries = queue.entries.slice();
	entries.splice(from, 1);
	entries.splice(to, 0, entry);
	const here = queue.entries[queue.index];
	const index = here === undefined ? queue.index : entries.indexOf(here);
	return { ...queue, entries, index, since: Math.max(0, Math.min(queue.since, index)) };
}

/** Everything that is to come goes; the current song and what came before stay. */
export function cleared(queue: Queue): Queue {
	const entries = queue.entries.slice(0, queue.index + 1);
	const kept = new Set(entries.map((entry) => entry.key));
	return { ...queue, entries, base: queue.base?.filter((entry) => kept.has(entry.key)) ?? null };
}

/** What was cleared comes back, behind what has been queued since. */
export const reinstated = (queue: Queue, entries: readonly QueueEntry[]): Queue =>
	insertedAt(queue, queue.entries.length, entries, queue.serial);

/** Goes straight to an entry, as a click on it does. Imports cannot be jumped to. */
export function jumped(queue: Queue, at: number): Queue {
	return queue.entries[at]?.kind === 'song'
		? { ...queue, index: at, since: Math.min(queue.since, at) }
		: queue;
}

/**
 * The queue after the current song. `natural` says that the song ended by itself: only then does
 * `repeat: 'one'` hold it. Null when there is nothing left to play.
 */
export function advanced(queue: Queue, natural: boolean, random: Random): Queue | null {
	if (natural && queue.repeat === 'one' && currentOf(queue) !== null) return queue;
	const next = settledAt(queue, queue.index + 1);
	if (next !== null) return next;
	if (queue.repeat === 'off') return null;
	return nextRound(queue, random);
}

/** Around again. A shuffled round is mixed anew, and never begins with the song that has just ended. */
function nextRound(queue: Queue, random: Random): Queue | null {
	let round: Queue = { ...queue, index: 0, since: 0 };
	if (queue.base !== null) {
		const entries = shuffled(queue.entries, random);
		const last = queue.entries[queue.index];
		if (entries.length > 1 && entries[0] === last) entries.push(entries.shift() as QueueEntry);
		round = { ...round, entries };
	}
	return settledAt(round, 0);
}

/** The song before this one; around the end with `repeat: 'all'`. Null when this is the first. */
export function retreated(queue: Queue): Queue | null {
	const at = lastSongBefore(queue, queue.index);
	if (at >= 0) return jumped(queue, at);
	if (queue.repeat !== 'all') return null;
	const last = lastSongBefore(queue, queue.entries.length);
	return last < 0 ? null : { ...queue, index: last };
}

function lastSongBefore(queue: Queue, before: number): number {
	for (let at = Math.min(before, queue.entries.length) - 1; at >= 0; at--) {
		if (queue.entries[at]?.kind === 'song') return at;
	}
	return -1;
}
