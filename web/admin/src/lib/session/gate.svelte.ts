/** Whether the API lets who is signed in administer. Only its answers decide. */
import type { Api } from '@songkeep/api-client';
import { createContext } from 'svelte';
import { answerOf, problemOf } from '$lib/api';

export class Gate {
	state = $state<'asking' | 'open' | 'refused' | 'failed'>('asking');
	detail = $state('');
	#api: Api;
	#asking = false;

	constructor(api: Api) {
		this.#api = api;
		// The role may be taken away while the page is open.
		api.use({
			onResponse: ({ response }) => {
				if (response.status === 403 && this.state === 'open') void this.ask();
			}
		});
	}

	async ask(): Promise<void> {
		if (this.#asking) return;
		this.#asking = true;
		try {
			answerOf(await this.#api.GET('/admin/users', { params: { query: { limit: 1 } } }));
			this.state = 'open';
		} catch (error) {
			const { status, detail } = problemOf(error);
			// An open page stays so through a short outage: each of its parts tells by itself.
			if (status === 403) this.state = 'refused';
			else if (this.state !== 'open' && status !== 401) this.state = 'failed';
			this.detail = detail;
		} finally {
			this.#asking = false;
		}
	}
}

export const [getGate, setGate] = createContext<Gate>();
