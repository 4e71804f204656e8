/** Jobs in the listener's language. */
import { m } from '$lib/paraglide/messages';
import { waitsForRetry, type Job, type Stage } from './job';

const STAGES: Record<string, () => string> = {
	queued: m.imports_stage_waiting,
	'preparing tools': m.imports_stage_preparing,
	resolve: m.imports_stage_resolve,
	download: m.imports_stage_download,
	process: m.imports_stage_process,
	store: m.imports_stage_store,
	publish: m.imports_stage_publish
};

export const STEPS: Record<Stage, () => string> = {
	resolve: m.imports_step_resolve,
	download: m.imports_step_download,
	process: m.imports_step_process,
	store: m.imports_step_store,
	publish: m.imports_step_publish
};

interface Failure {
	readonly sentence: () => string;
	/** What one can do about it. */
	readonly remedy: () => string;
	/** Trying the same again will not help; another recording may. */
	readonly wantsAnother?: true;
}

const FAILURES: Record<string, Failure> = {
	unavailable: {
		sentence: m.imports_failure_unavailable,
		remedy: m.imports_remedy_unavailable,
		wantsAnother: true
	},
	private: { sentence: m.imports_failure_private, remedy: m.imports_remedy_private, wantsAnother: true },
	age_restricted: {
		sentence: m.imports_failure_age_restricted,
		remedy: m.imports_remedy_age_restricted,
		wantsAnother: true
	},
	geo_blocked: {
		sentence: m.imports_failure_geo_blocked,
		remedy: m.imports_remedy_geo_blocked,
		wantsAnother: true
	},
	live: { sentence: m.imports_failure_live, remedy: m.imports_remedy_live },
	too_long: { sentence: m.imports_failure_too_long, remedy: m.imports_remedy_too_long, wantsAnother: true },
	too_large: {
		sentence: m.imports_failure_too_large,
		remedy: m.imports_remedy_too_large,
		wantsAnother: true
	},
	bot_check: { sentence: m.imports_failure_bot_check, remedy: m.imports_remedy_bot_check },
	rate_limited: { sentence: m.imports_failure_rate_limited, remedy: m.imports_remedy_rate_limited },
	no_format: {
		sentence: m.imports_failure_no_format,
		remedy: m.imports_remedy_no_format,
		wantsAnother: true
	},
	no_js_runtime: { sentence: m.imports_failure_no_js_runtime, remedy: m.imports_remedy_no_js_runtime },
	unsupported_url: { sentence: m.imports_failure_unsupported_url, remedy: m.imports_remedy_unsupported_url },
	blocked_address: {
		sentence: m.imports_failure_blocked_address,
		remedy: m.imports_remedy_blocked_address,
		wantsAnother: true
	},
	timeout: { sentence: m.imports_failure_timeout, remedy: m.imports_remedy_timeout },
	disk_full: { sentence: m.imports_failure_disk_full, remedy: m.imports_remedy_disk_full },
	tool_broken: { sentence: m.imports_failure_tool_broken, remedy: m.imports_remedy_tool_broken },
	internal: { sentence: m.imports_failure_internal, remedy: m.imports_remedy_internal }
};

const failure = (job: Job): Failure | undefined => FAILURES[job.failure_code ?? ''];

/** Why it failed; the server's own sentence for a reason that this app does not know. */
export function failureOf(job: Job): string {
	return failure(job)?.sentence() ?? job.failure_reason ?? m.imports_failure_internal();
}

export const remedyOf = (job: Job): string | null => failure(job)?.remedy() ?? null;

export const wantsAnother = (job: Job): boolean => failure(job)?.wantsAnother ?? false;

/** Where a live job is. */
export function stageText(job: Job): string {
	if (waitsForRetry(job)) return m.imports_state_retry_waits();
	if (job.status === 'queued') return m.imports_stage_waiting();
	return STAGES[job.stage]?.() ?? m.imports_stage_unknown();
}
