/** What a job's fields mean. Pure. */
import type { components } from '@songkeep/api-client';

export type Job = components['schemas']['Job'];

/** The five stages that a song goes through; before them it waits, after them it is there. */
export const STAGES = ['resolve', 'download', 'process', 'store', 'publish'] as const;
export type Stage = (typeof STAGES)[number];

export const FILTERS = ['all', 'active', 'done', 'failed'] as const;
export type Filter = (typeof FILTERS)[number];

export const sourceKey = (provider: string, id: string): string => `${provider}:${id}`;

export const keyOf = (job: Job): string => sourceKey(job.source_provider, job.source_id);

/** Live jobs may still become anything. */
export const isLive = (job: Job): boolean => job.status === 'queued' || job.status === 'processing';

export const canRetry = (job: Job): boolean => job.status === 'failed' || job.status === 'cancelled';

/** A passing failure: the job waits for another attempt, which comes by itself. */
export const waitsForRetry = (job: Job): boolean => job.status === 'queued' && Boolean(job.failure_code);

/** From 0 to 5: how many of the stages lie behind; null when it is unknown where the job is. */
export function stagesDone(job: Job): number | null {
	if (job.status === 'completed') return STAGES.length;
	if (job.stage === 'done') return STAGES.length;
	const at = STAGES.findIndex((stage) => stage === job.stage);
	if (at >= 0) return at;
	return job.stage === 'queued' || job.stage === 'preparing tools' ? 0 : null;
}

export function currentStage(job: Job): Stage | null {
	if (job.status !== 'processing') return null;
	return STAGES.find((stage) => stage === job.stage) ?? null;
}

export function matches(job: Job, filter: Filter): boolean {
	switch (filter) {
		case 'all':
			return true;
		case 'active':
			return isLive(job);
		case 'done':
			return job.status === 'completed';
		case 'failed':
			return job.status === 'failed';
	}
}

/** How long it took, or has taken so far. */
export function tookMs(job: Job, now: number): number {
	const end = isLive(job) ? now : Date.parse(job.updated_at);
	return Math.max(0, end - Date.parse(job.created_at));
}

/** Newest first; the id decides between equals, as on the server. */
export function byNewest(a: Job, b: Job): number {
	return compare(moment(b.created_at), moment(a.created_at)) || compare(b.id, a.id);
}

/** Whether `job` tells something older than what is known already. */
export const isStale = (job: Job, known: Job): boolean => moment(job.updated_at) < moment(known.updated_at);

/** A time of the API with all six digits of its fraction, so that text compares as time does. */
function moment(text: string): string {
	const [whole = '', fraction = ''] = text.replace(/Z$/, '').split('.');
	return `${whole}.${fraction.padEnd(6, '0')}`;
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** From a list that has the newest first. */
export function newestBySource(list: readonly Job[]): ReadonlyMap<string, Job> {
	const found = new Map<string, Job>();
	for (const job of list) if (!found.has(keyOf(job))) found.set(keyOf(job), job);
	return found;
}
