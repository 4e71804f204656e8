/** Calls of the API in the name of who is signed in. */
import { problemOf as read, type Problem } from '@songkeep/session';
import type { Api } from '@songkeep/api-client';
import { createContext } from 'svelte';
import { m } from '$lib/paraglide/messages';

export type { Api } from '@songkeep/api-client';
export { createSessionApi } from '@songkeep/session';
export type { Problem } from '@songkeep/session';

export const [getApi, setApi] = createContext<Api>();

/** Why a call did not succeed, with a sentence in any case. */
export function problemOf(error: unknown): Problem {
	const problem = read(error);
	if (problem.detail !== '') return problem;
	return { ...problem, detail: problem.code === 'offline' ? m.session_offline() : m.session_unknown() };
}
