/** What to go on listening to. Pure. */
import type { Song } from './source';

const MOST = 6;

/** The current song, then what was heard before it, latest first, each once. `history` is latest first too. */
export function recentlyPlayed(current: Song | null, history: readonly Song[]): Song[] {
	const songs = new Map<string, Song>();
	if (current) songs.set(current.id, current);
	for (const song of history) if (!songs.has(song.id)) songs.set(song.id, song);
	return [...songs.values()].slice(0, MOST);
}
