/** The account's imports: what is known of them, kept up to date by events, and what one can do with them. */
import { SvelteMap, SvelteSet } from 'svelte/reactivity';
import type { components } from '@songkeep/api-client';
import type { Api } from '$lib/api';
import type { EventFeed } from '$lib/events';
import { Listeners } from '$lib/events/listeners';
import { dataOf } from '$lib/api/answer';
import {
	byNewest,
	isLive,
	isStale,
	keyOf,
	matches,
	newestBySource,
	sourceKey,
	type Filter,
	type Job
} from './job';
import { Series, type JobStatus } from './series.svelte';

type Song = components['schemas']['Song'];
type LibraryEvent = components['schemas']['LibraryEvent'];
type Schemas = components['schemas'];

export type ImportRequest =
	{ source_provider: string; source_id: string; title?: string; artist?: string } | { url: string };

export type JobListener = (job: Job) => void;

const STATUSES_OF: Record<Filter, readonly JobStatus[]> = {
	all: ['any'],
	active: ['queued', 'processing'],
	done: ['completed'],
	failed: ['failed']
};
/** Enough to retry thousands without hammering the server. */
const AT_ONCE = 4;

export class Imports {
	/** Whether the first page has arrived. */
	loaded = $state(false);
	#jobs = new SvelteMap<string, Job>();
	#list = $derived([...this.#jobs.values()].sort(byNewest));
	#active = $derived(this.#list.filter(isLive));
	#bySource = $derived(newestBySource(this.#list));
	/** Wishes that the server has not answered yet, by source. */
	#starting = new SvelteSet<string>();
	#cancelling = new SvelteSet<string>();
	#songs = new SvelteMap<string, Song>();
	#arrived = new SvelteMap<string, string>();
	#gone = new SvelteSet<string>();
	#series: Record<JobStatus, Series>;
	#settled = new Listeners<Job>();
	#started = new Listeners<Job>();
	#stop: (() => void)[];
	#api: Api;
	#events: Pick<EventFeed, 'on' | 'listening'>;

	constructor(api: Api, events: Pick<EventFeed, 'on' | 'listening'>) {
		this.#api = api;
		this.#events = events;
		const series = (status: JobStatus) => new Series(status, api);
		this.#series = {
			any: series('any'),
			queued: series('queued'),
			processing: series('processing'),
			completed: series('completed'),
			failed: series('failed')
		};
		this.#stop = [
			events.on('job', (job) => this.#hear(job)),
			events.on('library', (event) => this.#hearLibrary(event)),
			events.on('reset', () => void this.#reload().catch(() => undefined))
		];
	}

	/** All that is known, newest first. */
	get list(): Job[] {
		return this.#list;
	}

	/** Those under way, newest first. */
	get active(): Job[] {
		return this.#active;
	}

	/** The newest job of a source. */
	bySource(provider: string, id: string): Job | undefined {
		return this.#bySource.get(sourceKey(provider, id));
	}

	isStarting(provider: string, id: string): boolean {
		return this.#starting.has(sourceKey(provider, id));
	}

	isCancelling(id: string): boolean {
		return this.#cancelling.has(id);
	}

	/** The song of a source that has come into the library since the page was opened. */
	arrivedFrom(provider: string, id: string): string | undefined {
		return this.#arrived.get(sourceKey(provider, id));
	}

	/** Whether a song has been taken out of the library since the page was opened. */
	isGone(songId: string): boolean {
		return this.#gone.has(songId);
	}

	/** It was looked for and is not there. */
	markGone(songId: string): void {
		this.#gone.add(songId);
	}

	/** A song that events told of. */
	songOf(songId: string): Song | undefined {
		return this.#songs.get(songId);
	}

	/** Hears of each job that comes to its end from now on; returns how to stop. */
	onSettled(listener: JobListener): () => void {
		return this.#settled.add(listener);
	}

	/** Hears of each job that was asked for on this page; returns how to stop. */
	onStarted(listener: JobListener): () => void {
		return this.#started.add(listener);
	}

	/** The first page, and all that is under way. */
	async load(): Promise<void> {
		await this.#events.listening();
		await Promise.all([this.#first('any'), this.#all('queued'), this.#all('processing')]);
		this.loaded = true;
	}

	/** The part of the list under a filter that has been loaded without gaps. */
	shown(filter: Filter): Job[] {
		const series = this.#seriesOf(filter);
		return this.#list.filter((job) => matches(job, filter) && series.every((one) => one.covers(job)));
	}

	hasMore(filter: Filter): boolean {
		return this.#seriesOf(filter).some((series) => series.hasMore);
	}

	isOpen(filter: Filter): boolean {
		return this.#seriesOf(filter).every((series) => series.isOpen);
	}

	/** The next page under a filter; the first one when there is none yet. */
	async more(filter: Filter): Promise<void> {
		const pages = this.#seriesOf(filter).map((series) => series.next());
		for (const jobs of await Promise.all(pages)) this.#takeAll(jobs);
	}

	async start(request: ImportRequest): Promise<Job> {
		const key = 'url' in request ? null : sourceKey(request.source_provider, request.source_id);
		if (key !== null) this.#starting.add(key);
		try {
			const job = await dataOf<Schemas['Job']>(this.#api.POST('/songs/import', { body: request }));
			if (isLive(job)) this.#started.tell(job);
			this.#hear(job);
			return job;
		} finally {
			if (key !== null) this.#starting.delete(key);
		}
	}

	/** One that is being worked on ends within seconds; the event tells. */
	async cancel(id: string): Promise<void> {
		this.#cancelling.add(id);
		try {
			const path = { id };
			this.#take(await dataOf<Schemas['Job']>(this.#api.DELETE('/jobs/{id}', { params: { path } })));
		} finally {
			const job = this.#jobs.get(id);
			if (!job || !isLive(job)) this.#cancelling.delete(id);
		}
	}

	async retry(id: string): Promise<void> {
		const path = { id };
		this.#take(await dataOf<Schemas['Job']>(this.#api.POST('/jobs/{id}/retry', { params: { path } })));
	}

	/** Every failed job, also those on pages that nobody has looked at. Ends at the first refusal. */
	async retryAllFailed(): Promise<number> {
		await this.#all('failed');
		const waiting = this.#list.filter((job) => job.status === 'failed');
		const count = waiting.length;
		const work = async () => {
			for (let job = waiting.shift(); job; job = waiting.shift()) await this.retry(job.id);
		};
		await Promise.all(Array.from({ length: AT_ONCE }, work));
		return count;
	}

	dispose(): void {
		for (const stop of this.#stop) stop();
		this.#settled.clear();
		this.#started.clear();
	}

	#seriesOf(filter: Filter): Series[] {
		return STATUSES_OF[filter].map((status) => this.#series[status]);
	}

	async #first(status: JobStatus): Promise<void> {
		this.#takeAll(await this.#series[status].restart());
	}

	async #all(status: JobStatus): Promise<void> {
		const series = this.#series[status];
		await this.#first(status);
		while (series.hasMore) this.#takeAll(await series.next());
	}

	/** After missed events: what was open is read anew; what is older than that may be out of date. */
	async #reload(): Promise<void> {
		const open = Object.values(this.#series).filter((series) => series.isOpen);
		const pages = await Promise.all(open.map((series) => series.restart()));
		const fresh = pages.flat();
		// What was under way and is in none of the pages is asked for by its id.
		const lost = this.#active.filter(({ id }) => !fresh.some((job) => job.id === id));
		await Promise.all(lost.map((job) => this.#refresh(job.id).catch(() => undefined)));
		for (const job of fresh) this.#hear(job);
	}

	async #refresh(id: string): Promise<void> {
		const path = { id };
		this.#hear(await dataOf<Schemas['Job']>(this.#api.GET('/jobs/{id}', { params: { path } })));
	}

	#takeAll(jobs: readonly Job[]): void {
		for (const job of jobs) this.#take(job);
	}

	/** False when something newer is known. */
	#take(job: Job): boolean {
		const known = this.#jobs.get(job.id);
		if (known && isStale(job, known)) return false;
		this.#jobs.set(job.id, job);
		if (!isLive(job)) this.#cancelling.delete(job.id);
		return true;
	}

	/** A job as it is now: if it has just ended, that is news. */
	#hear(job: Job): void {
		const before = this.#jobs.get(job.id);
		if (!this.#take(job) || isLive(job)) return;
		const isNews = !before || isLive(before);
		if (!isNews) return;
		if (job.status === 'completed' && job.song_id) {
			this.#arrived.set(keyOf(job), job.song_id);
			this.#gone.delete(job.song_id);
		}
		this.#settled.tell(job);
	}

	#hearLibrary({ change, song_id: songId, song }: LibraryEvent): void {
		if (change === 'removed') {
			this.#gone.add(songId);
			this.#songs.delete(songId);
			for (const [key, id] of this.#arrived) if (id === songId) this.#arrived.delete(key);
			return;
		}
		this.#gone.delete(songId);
		if (!song) return;
		this.#songs.set(songId, song);
		if (change === 'added') this.#arrived.set(sourceKey(song.source_provider, song.source_id), songId);
	}
}
