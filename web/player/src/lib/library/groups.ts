/** Artists and albums of the library: lists that are made of its songs' words. */
import type { Model } from '@songkeep/api-client';
import type { Api } from '$lib/api';
import { dataOf } from '$lib/api/answer';
import type { Fetch } from './pages.svelte';

export type Artist = Model<'Artist'>;
export type Album = Model<'Album'>;

const PAGE = 200;

export function artistsOf(api: Api, q: string): Fetch<Artist> {
	return async (cursor, signal) => {
		const params = { query: { q: q || undefined, cursor, limit: PAGE } };
		const page = await dataOf<Model<'ArtistList'>>(api.GET('/library/artists', { params, signal }));
		return { rows: page.artists, next: page.next_cursor ?? null, total: page.total };
	};
}

export function albumsOf(api: Api, q: string, artist?: string): Fetch<Album> {
	return async (cursor, signal) => {
		const params = { query: { q: q || undefined, artist, cursor, limit: PAGE } };
		const page = await dataOf<Model<'AlbumList'>>(api.GET('/library/albums', { params, signal }));
		return { rows: page.albums, next: page.next_cursor ?? null, total: page.total };
	};
}
