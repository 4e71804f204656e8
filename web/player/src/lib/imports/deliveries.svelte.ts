/** What the view of imports shows and does; the jobs themselves are in `Imports`. */
import { SvelteMap } from 'svelte/reactivity';
import type { components } from '@songkeep/api-client';
import { problemOf, type Api } from '$lib/api';
import type { Player } from '$lib/player';
import { sentenceOf, type Problem } from '$lib/search/problem';
import { dataOf } from '$lib/api/answer';
import type { Imports } from './imports.svelte';
import type { Filter, Job } from './job';

type Song = components['schemas']['Song'];

export class Deliveries {
	/** The page could not be read. */
	problem = $state.raw<Problem | null>(null);
	loading = $state(false);
	retryingAll = $state(false);
	/** Why "retry all" stopped. */
	retryProblem = $state.raw<Problem | null>(null);
	#refusals = new SvelteMap<string, string>();
	#found = new SvelteMap<string, Song>();
	#api: Api;
	#imports: Imports;
	#player: Player;

	constructor(api: Api, imports: Imports, player: Player) {
		this.#api = api;
		this.#imports = imports;
		this.#player = player;
	}

	/** The first page under a filter, unless it is there. */
	async open(filter: Filter): Promise<void> {
		if (!this.#imports.isOpen(filter)) await this.more(filter);
	}

	async more(filter: Filter): Promise<void> {
		this.loading = true;
		this.problem = null;
		try {
			await this.#imports.more(filter);
		} catch (error) {
			this.problem = problemOf(error);
		}
		this.loading = false;
	}

	songOf(job: Job): Song | undefined {
		if (!job.song_id) return undefined;
		return this.#imports.songOf(job.song_id) ?? this.#found.get(job.song_id);
	}

	isPlayable(job: Job): boolean {
		return job.status === 'completed' && Boolean(job.song_id) && !this.#imports.isGone(job.song_id ?? '');
	}

	isPlaying(job: Job): boolean {
		return this.#player.playing && this.#isCurrent(job);
	}

	isCancelling(job: Job): boolean {
		return this.#imports.isCancelling(job.id);
	}

	/** Why the last thing asked of this job was refused. */
	refusalOf(job: Job): string | undefined {
		return this.#refusals.get(job.id);
	}

	async play(job: Job): Promise<void> {
		if (this.#isCurrent(job)) return this.#player.toggle();
		await this.#try(job, async () => {
			const song = this.songOf(job) ?? (await this.#find(job));
			if (song) this.#player.play([song]);
			else this.#imports.markGone(job.song_id ?? '');
		});
	}

	playWhenReady(job: Job): void {
		this.#player.playWhenReady(job);
	}

	cancel(job: Job): Promise<void> {
		return this.#try(job, () => this.#imports.cancel(job.id));
	}

	retry(job: Job): Promise<void> {
		return this.#try(job, () => this.#imports.retry(job.id));
	}

	/** How many wait again; null when that was refused on the way. */
	async retryAll(): Promise<number | null> {
		this.retryingAll = true;
		this.retryProblem = null;
		try {
			return await this.#imports.retryAllFailed();
		} catch (error) {
			this.retryProblem = problemOf(error);
			return null;
		} finally {
			this.retryingAll = false;
		}
	}

	#isCurrent(job: Job): boolean {
		return Boolean(job.song_id) && this.#player.current?.id === job.song_id;
	}

	/** The song's entry, found by its title; a job has only the id. */
	async #find(job: Job): Promise<Song | null> {
		const query = { q: job.title, limit: 100 };
		const page = await dataOf<components['schemas']['Library']>(
			this.#api.GET('/library', { params: { query } })
		);
		const song = page.songs.find(({ id }) => id === job.song_id) ?? (await this.#findAmongNewest(job));
		if (song) this.#found.set(song.id, song);
		return song;
	}

	/** Under another title, which its listener gave it. */
	async #findAmongNewest(job: Job): Promise<Song | null> {
		let cursor: string | undefined;
		for (let page = 0; page < 4; page += 1) {
			const query = { limit: 500, cursor };
			const answer = await dataOf<components['schemas']['Library']>(
				this.#api.GET('/library', { params: { query } })
			);
			const song = answer.songs.find(({ id }) => id === job.song_id);
			if (song || !answer.next_cursor) return song ?? null;
			cursor = answer.next_cursor;
		}
		return null;
	}

	async #try(job: Job, run: () => Promise<unknown>): Promise<void> {
		this.#refusals.delete(job.id);
		try {
			await run();
		} catch (error) {
			this.#refusals.set(job.id, sentenceOf(problemOf(error)));
		}
	}
}
