/** A list of the library's songs, kept true by events while it is looked at. */
import type { Model } from '@songkeep/api-client';
import type { Api } from '$lib/api';
import type { EventFeed, LibraryEvent } from '$lib/events';
import { dataOf } from '$lib/api/answer';
import { Pages } from './pages.svelte';

type Song = Model<'Song'>;

export const SORTS = ['newest', 'oldest', 'title', 'artist', 'album', 'duration'] as const;
export type Sort = (typeof SORTS)[number];

export interface SongQuery {
	q?: string;
	sort: Sort;
	artist?: string;
	album?: string;
}

const PAGE = 500;
/** Imports come in bursts: the list is read again once they pause. */
const REFRESH_AFTER_MS = 400;

export class SongPages extends Pages<Song> {
	query = $state.raw<SongQuery>({ sort: 'newest' });
	readonly #api: Api;
	readonly #stops: (() => void)[];
	#opened = '';
	#timer: ReturnType<typeof setTimeout> | undefined;

	constructor(api: Api, events: Pick<EventFeed, 'on'>) {
		super(() => Promise.resolve({ rows: [], next: null, total: 0 }));
		this.#api = api;
		this.#stops = [
			events.on('library', (event) => this.#hear(event)),
			events.on('reset', () => this.#refreshSoon())
		];
	}

	/** Shows another list; the same one again is not asked for anew. */
	show(query: SongQuery): void {
		const key = JSON.stringify([query.q ?? '', query.sort, query.artist ?? '', query.album ?? '']);
		if (key === this.#opened && !this.problem) return;
		this.#opened = key;
		this.query = query;
		void this.open(async (cursor, signal) => {
			const params = { query: { ...query, cursor, limit: PAGE } };
			const answer = dataOf<Model<'Library'>>(this.#api.GET('/library', { params, signal }));
			const { songs, next_cursor: next, total } = await answer;
			return { rows: songs, next: next ?? null, total };
		});
	}

	/** A song as it is now, without waiting for the event. */
	put(song: Song): void {
		this.edit(
			this.rows.map((row) => (row.id === song.id ? song : row)),
			0
		);
	}

	drop(ids: ReadonlySet<string>): void {
		const rows = this.rows.filter((row) => !ids.has(row.id));
		this.edit(rows, rows.length - this.rows.length);
	}

	override dispose(): void {
		super.dispose();
		clearTimeout(this.#timer);
		for (const stop of this.#stops) stop();
	}

	#hear({ change, song_id: id, song }: LibraryEvent): void {
		if (!this.ready) return;
		if (change === 'removed') return this.drop(new Set([id]));
		const isHere = this.rows.some((row) => row.id === id);
		if (change === 'updated' && song && isHere && this.query.sort === 'newest' && !this.#isFiltered()) {
			return this.put(song);
		}
		if (change === 'added' && isHere) return;
		if (change === 'added' && song && this.query.sort === 'newest' && !this.#isFiltered()) {
			return this.edit([song, ...this.rows], 1);
		}
		// Where it belongs now, only the server knows.
		this.#refreshSoon();
	}

	#isFiltered(): boolean {
		const { q, artist, album } = this.query;
		return Boolean(q) || artist !== undefined || album !== undefined;
	}

	#refreshSoon(): void {
		clearTimeout(this.#timer);
		if (!this.ready) return;
		this.#timer = setTimeout(() => void this.refresh().catch(() => undefined), REFRESH_AFTER_MS);
	}
}
