/** Problems as sentences in the listener's language; the server's own English one where none fits better. */
import { m } from '$lib/paraglide/messages';

export interface Problem {
	readonly code: string;
	readonly detail: string;
	/** Seconds. */
	readonly retryAfter?: number;
}

export function sentenceOf(problem: Problem): string {
	switch (problem.code) {
		case 'offline':
			return m.search_problem_offline();
		case 'search_unavailable':
			return m.search_problem_search_unavailable();
		case 'rate_limited':
			return m.search_problem_rate_limited();
		case 'unavailable':
		case 'bad_gateway':
		case 'gateway_timeout':
			return m.search_problem_unavailable();
		case 'internal':
			return m.search_problem_internal();
		default:
			return problem.detail || m.search_problem_internal();
	}
}
