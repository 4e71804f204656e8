/** The account's library: its lists, and what one can do with its songs. */
import type { Model } from '@songkeep/api-client';
import type { Api } from '$lib/api';
import type { EventFeed } from '$lib/events';
import { dataOf } from '$lib/api/answer';
import { SongPages } from './songs.svelte';

export type Song = Model<'Song'>;

/** Own words for a song; null takes the recording's again. */
export interface SongEdit {
	title?: string | null;
	artist?: string | null;
	album?: string | null;
}

export class Library {
	/** The list of all songs, which keeps its place while other pages are looked at. */
	readonly songs: SongPages;
	readonly #api: Api;
	readonly #events: Pick<EventFeed, 'on'>;

	constructor(api: Api, events: Pick<EventFeed, 'on'>) {
		this.#api = api;
		this.#events = events;
		this.songs = new SongPages(api, events);
	}

	/** Another list of songs; dispose of it. */
	list(): SongPages {
		return new SongPages(this.#api, this.#events);
	}

	edit(id: string, edit: SongEdit): Promise<Song> {
		const path = { song_id: id };
		return dataOf<Song>(this.#api.PATCH('/library/{song_id}', { params: { path }, body: edit }));
	}

	/** Takes a song out; `restore` brings it back within the hour. */
	async remove(id: string): Promise<void> {
		const path = { song_id: id };
		const { error, response } = await this.#api.DELETE('/library/{song_id}', { params: { path } });
		// Gone already is as good.
		if (!response.ok && response.status !== 404) throw error;
	}

	restore(id: string): Promise<Song> {
		const path = { song_id: id };
		return dataOf<Song>(this.#api.POST('/library/{song_id}/restore', { params: { path } }));
	}

	dispose(): void {
		this.songs.dispose();
	}
}
