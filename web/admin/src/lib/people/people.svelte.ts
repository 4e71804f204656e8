import type { Api } from '@songkeep/api-client';
import { answerOf } from '$lib/api';

const PAGE = 500;
/** Beyond that many accounts, the rest is shown by id. */
const MAX_PAGES = 4;

export class People {
	#emails = $state.raw<ReadonlyMap<string, string>>(new Map());
	#api: Api;
	#loading: Promise<void> | null = null;

	constructor(api: Api) {
		this.#api = api;
	}

	/** The address, or the start of the id while it is not known. */
	name(id: string): string {
		return this.#emails.get(id) ?? id.slice(0, 8);
	}

	/** Asks once; a failure is asked for again next time. */
	load(): Promise<void> {
		this.#loading ??= this.#load().catch(() => {
			this.#loading = null;
		});
		return this.#loading;
	}

	async #load(): Promise<void> {
		const emails = new Map<string, string>();
		let cursor: string | undefined;
		for (let page = 0; page < MAX_PAGES; page += 1) {
			const query = { limit: PAGE, cursor };
			const answer = answerOf(await this.#api.GET('/admin/users', { params: { query } }));
			for (const user of answer.users) emails.set(user.id, user.email);
			this.#emails = new Map(emails);
			if (!answer.next_cursor) return;
			cursor = answer.next_cursor;
		}
	}
}
