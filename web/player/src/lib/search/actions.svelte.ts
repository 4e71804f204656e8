/** What a row of the search does when it is acted on. */
import { SvelteMap } from 'svelte/reactivity';
import type { components } from '@songkeep/api-client';
import { problemOf, type Api } from '$lib/api';
import type { Imports } from '$lib/imports';
import { dataOf } from '$lib/api/answer';
import { sourceKey, type Job } from '$lib/imports/job';
import type { Player } from '$lib/player';
import type { PastedLink } from './link';
import type { Problem } from './problem';
import { byline, rowState, songFrom, type Candidate, type RowState, type Song } from './source';

/** Long enough for the server's answer, short enough not to be felt. */
const LOOK_UP_MS = 600;

export class SourceActions {
	#problems = new SvelteMap<string, Problem>();
	#api: Api;
	#imports: Imports;
	#player: Player;

	constructor(api: Api, imports: Imports, player: Player) {
		this.#api = api;
		this.#imports = imports;
		this.#player = player;
	}

	stateOf(candidate: Candidate): RowState {
		return rowState(candidate, this.#imports);
	}

	/** Why the last wish for this row was refused. */
	problemOf(candidate: Candidate): Problem | null {
		return this.#problems.get(keyOf(candidate)) ?? null;
	}

	isCurrent(songId: string): boolean {
		return this.#player.current?.id === songId;
	}

	/** Whether anything sounds. */
	get playing(): boolean {
		return this.#player.playing;
	}

	enqueue(song: Song): void {
		this.#player.enqueue([song]);
	}

	/** What the button does: import, cancel, try again, play or pause. */
	async act(candidate: Candidate): Promise<void> {
		const state = this.stateOf(candidate);
		switch (state.kind) {
			case 'import':
				return this.#import(candidate);
			case 'failed':
				return this.#wish(keyOf(candidate), () => this.#imports.retry(state.job.id));
			case 'importing':
				return this.#wish(keyOf(candidate), () => this.#imports.cancel(state.job.id));
			case 'play':
				return this.#play(candidate, state.songId);
			case 'starting':
				return;
		}
	}

	/** What a double click does: as the button, but what is on its way is not stopped but played on arrival. */
	async open(candidate: Candidate): Promise<void> {
		const state = this.stateOf(candidate);
		if (state.kind === 'importing') this.playWhenReady(state.job);
		else await this.act(candidate);
	}

	playWhenReady(job: Job): void {
		this.#player.playWhenReady(job);
	}

	playSong(songs: readonly Song[], at: number): void {
		const song = songs[at];
		if (!song) return;
		if (this.isCurrent(song.id)) this.#player.toggle();
		else this.#player.play([...songs], at);
	}

	/** The job, or null when the link was refused: then `problemOfLink` says why. */
	async importLink(link: PastedLink): Promise<Job | null> {
		let job: Job | null = null;
		await this.#wish(link.url, async () => {
			job = await this.#imports.start({ url: link.url });
		});
		return job;
	}

	problemOfLink(link: PastedLink): Problem | null {
		return this.#problems.get(link.url) ?? null;
	}

	async #import(candidate: Candidate): Promise<void> {
		const { source_provider, source_id, title } = candidate;
		const artist = byline(candidate);
		const request = { source_provider, source_id, title, ...(artist ? { artist } : {}) };
		await this.#wish(keyOf(candidate), () => this.#imports.start(request));
	}

	async #play(candidate: Candidate, songId: string): Promise<void> {
		if (this.isCurrent(songId)) return this.#player.toggle();
		this.#player.play([await this.#songOf(candidate, songId)]);
	}

	/** The entry as the library has it, with the listener's own title; what the row shows when that takes long. */
	async #songOf(candidate: Candidate, songId: string): Promise<Song> {
		const known = this.#imports.songOf(songId);
		if (known) return known;
		try {
			const query = { q: candidate.title, limit: 50 };
			const signal = AbortSignal.timeout(LOOK_UP_MS);
			const page = await dataOf<components['schemas']['Library']>(
				this.#api.GET('/library', { params: { query }, signal })
			);
			return page.songs.find(({ id }) => id === songId) ?? songFrom(candidate, songId);
		} catch {
			return songFrom(candidate, songId);
		}
	}

	async #wish(key: string, run: () => Promise<unknown>): Promise<void> {
		this.#problems.delete(key);
		try {
			await run();
		} catch (error) {
			this.#problems.set(key, problemOf(error));
		}
	}
}

const keyOf = (candidate: Candidate): string => sourceKey(candidate.source_provider, candidate.source_id);
