import type { Api, Model } from '@songkeep/api-client';
import { answerOf } from '$lib/api';

export const RANGES = { day: 24, week: 168, month: 720 } as const;
export type Range = keyof typeof RANGES;

/** The figures of the installation; those that are there stay while newer ones are on their way. */
export class Overview {
	range = $state<Range>('day');
	stats = $state.raw<Model<'AdminStats'> | null>(null);
	/** When they came; in milliseconds. */
	at = $state(0);
	error = $state.raw<unknown>(null);
	#api: Api;
	#turn = 0;

	constructor(api: Api) {
		this.#api = api;
	}

	async load(): Promise<void> {
		this.#turn += 1;
		const turn = this.#turn;
		try {
			const query = { hours: RANGES[this.range] };
			const stats = answerOf(await this.#api.GET('/admin/stats', { params: { query } }));
			if (turn !== this.#turn) return;
			this.stats = stats;
			this.at = Date.now();
			this.error = null;
		} catch (error) {
			if (turn === this.#turn) this.error = error;
		}
	}
}
