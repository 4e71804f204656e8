/** The pages of jobs of one status, newest first, and how far down they have been read. */
import type { Api } from '$lib/api';
import { dataOf } from '$lib/api/answer';
import { byNewest, type Job } from './job';
import type { components } from '@songkeep/api-client';

export type JobStatus = 'any' | 'queued' | 'processing' | 'completed' | 'failed';

const PAGE = 50;
/** Of what is under way everything is wanted. */
const LIVE_PAGE = 500;

export class Series {
	/** Undefined before the first page, null after the last. */
	#cursor = $state<string | null | undefined>(undefined);
	#oldest = $state<Job | null>(null);
	#loading: Promise<Job[]> | null = null;
	#status: JobStatus;
	#api: Api;

	constructor(status: JobStatus, api: Api) {
		this.#status = status;
		this.#api = api;
	}

	get isOpen(): boolean {
		return this.#cursor !== undefined;
	}

	get hasMore(): boolean {
		return typeof this.#cursor === 'string';
	}

	/** False for what lies below the pages read so far, where gaps are possible. */
	covers(job: Job): boolean {
		if (!this.hasMore || this.#oldest === null) return true;
		return byNewest(job, this.#oldest) <= 0;
	}

	/** The first page again. */
	async restart(): Promise<Job[]> {
		await this.#loading?.catch(() => undefined);
		return this.#load(undefined);
	}

	/** The next page; nothing after the last. Asked for twice, it is read once. */
	next(): Promise<Job[]> {
		if (this.#cursor === null) return Promise.resolve([]);
		return this.#load(this.#cursor);
	}

	#load(cursor: string | undefined): Promise<Job[]> {
		this.#loading ??= this.#fetch(cursor).finally(() => (this.#loading = null));
		return this.#loading;
	}

	async #fetch(cursor: string | undefined): Promise<Job[]> {
		const status = this.#status === 'any' ? undefined : this.#status;
		const isLive = status === 'queued' || status === 'processing';
		const query = { status, cursor, limit: isLive ? LIVE_PAGE : PAGE };
		const page = await dataOf<components['schemas']['JobList']>(
			this.#api.GET('/jobs', { params: { query } })
		);
		this.#cursor = page.next_cursor ?? null;
		this.#oldest = page.jobs.at(-1) ?? this.#oldest;
		return page.jobs;
	}
}
