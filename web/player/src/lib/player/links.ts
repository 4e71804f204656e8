/** Where a song's words lead. */
import { resolve } from '$app/paths';
import type { Song } from './queue';

export function artistHref(song: Song): string | null {
	return song.artist ? resolve('/(app)/library/artists/[key]', { key: song.artist }) : null;
}

export function albumHref(song: Song): string | null {
	if (!song.album) return null;
	const album = resolve('/(app)/library/albums/[key]', { key: song.album });
	return song.artist ? `${album}?${new URLSearchParams({ artist: song.artist })}` : album;
}

export const coverSeed = (song: Pick<Song, 'artist' | 'title'>): string =>
	`${song.artist ?? ''} ${song.title}`;
