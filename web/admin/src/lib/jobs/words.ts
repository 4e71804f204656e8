import type { Model } from '$lib/api';
import { m } from '$lib/paraglide/messages';

type Job = Model<'AdminJob'>;

const STATUSES: Record<string, { label: () => string; tone: 'plain' | 'good' | 'bad' | 'live' }> = {
	queued: { label: m.admin_job_queued, tone: 'plain' },
	processing: { label: m.admin_job_processing, tone: 'live' },
	completed: { label: m.admin_job_completed, tone: 'good' },
	failed: { label: m.admin_job_failed, tone: 'bad' },
	cancelled: { label: m.admin_job_cancelled, tone: 'plain' }
};

const STAGES: Record<string, () => string> = {
	queued: m.admin_job_queued,
	'preparing tools': m.admin_stage_tools,
	resolve: m.admin_stage_resolve,
	download: m.admin_stage_download,
	process: m.admin_stage_process,
	store: m.admin_stage_store,
	publish: m.admin_stage_publish,
	done: m.admin_stage_done
};

export const statuses = Object.entries(STATUSES).map(([value, { label }]) => ({ value, label: label() }));

export function statusOf(job: Job): { text: string; tone: 'plain' | 'good' | 'bad' | 'live' } {
	const known = STATUSES[job.status];
	const text = known?.label() ?? job.status;
	return {
		text: job.status === 'processing' ? `${text} · ${job.progress} %` : text,
		tone: known?.tone ?? 'plain'
	};
}

export function stageOf(job: Job): string {
	return STAGES[job.stage]?.() ?? job.stage;
}

export const isLive = (job: Job) => job.status === 'queued' || job.status === 'processing';
export const canRetry = (job: Job) => job.status === 'failed' || job.status === 'cancelled';
