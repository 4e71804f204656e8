/** The newest songs of the library, for the first page. */
import type { components } from '@songkeep/api-client';
import { problemOf, type Api } from '$lib/api';
import type { EventFeed } from '$lib/events';
import { dataOf } from '$lib/api/answer';
import type { Problem } from './problem';
import type { Song } from './source';

const MOST = 12;

export class Newest {
	songs = $state.raw<readonly Song[]>([]);
	/** Songs in the whole library; null until it is known. */
	total = $state<number | null>(null);
	problem = $state.raw<Problem | null>(null);
	#api: Api;
	#stop: (() => void)[];

	constructor(api: Api, events: Pick<EventFeed, 'on'>) {
		this.#api = api;
		this.#stop = [
			events.on('library', (event) => this.#hear(event)),
			events.on('reset', () => void this.load())
		];
	}

	async load(): Promise<void> {
		try {
			// Newest first is what the library answers with by itself.
			const query = { limit: MOST };
			const page = await dataOf<components['schemas']['Library']>(
				this.#api.GET('/library', { params: { query } })
			);
			this.songs = page.songs;
			this.total = page.total;
			this.problem = null;
		} catch (error) {
			this.problem = problemOf(error);
		}
	}

	dispose(): void {
		for (const stop of this.#stop) stop();
	}

	#hear({ change, song_id: id, song }: components['schemas']['LibraryEvent']): void {
		if (this.total === null) return;
		const isShown = this.songs.some((one) => one.id === id);
		if (change === 'added' && song) {
			if (!isShown) this.total += 1;
			this.songs = [song, ...this.songs.filter((one) => one.id !== id)]
				.sort((a, b) => Date.parse(b.added_at) - Date.parse(a.added_at))
				.slice(0, MOST);
		} else if (change === 'updated' && song) {
			this.songs = this.songs.map((one) => (one.id === id ? song : one));
		} else if (change === 'removed') {
			this.total = Math.max(0, this.total - 1);
			this.songs = this.songs.filter((one) => one.id !== id);
			// One that was older moves up.
			if (isShown && this.total > this.songs.length) void this.load();
		}
	}
}
