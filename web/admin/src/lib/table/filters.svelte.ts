/** What a list is narrowed to. It stands in the address, so that a view can be kept and sent. */
import { goto } from '$app/navigation';
import { page } from '$app/state';

/** As long as somebody types on. */
const SETTLE_MS = 250;

export class Filters {
	q = $state('');
	status = $state('');
	#timer = 0;
	#told = { q: '', status: '' };

	constructor() {
		this.take(page.url.searchParams);
	}

	/** Follows the address, unless it says what was put there last. */
	take(params: Pick<URLSearchParams, 'get'>): void {
		const [q, status] = [params.get('q') ?? '', params.get('status') ?? ''];
		if (q === this.#told.q && status === this.#told.status) return;
		this.#told = { q, status };
		this.q = q;
		this.status = status;
	}

	/** For the API, which takes no empty values. */
	get query(): { q?: string; status?: string } {
		return { q: this.q.trim() || undefined, status: this.status || undefined };
	}

	get isNarrow(): boolean {
		return this.q.trim() !== '' || this.status !== '';
	}

	clear(): void {
		this.q = '';
		this.status = '';
	}

	/** Calls back once typing has paused; returns how to stop. */
	settle(run: () => void): () => void {
		window.clearTimeout(this.#timer);
		this.#timer = window.setTimeout(() => {
			this.#show();
			run();
		}, SETTLE_MS);
		return () => window.clearTimeout(this.#timer);
	}

	#show(): void {
		const { q = '', status = '' } = this.query;
		if (q === this.#told.q && status === this.#told.status) return;
		this.#told = { q, status };
		const url = new URL(page.url.href);
		for (const [name, value] of [
			['q', q],
			['status', status]
		] as const) {
			if (value === '') url.searchParams.delete(name);
			else url.searchParams.set(name, value);
		}
		// eslint-disable-next-line svelte/no-navigation-without-resolve -- it is this page's own address
		void goto(url, { replace: true, reset: false });
	}
}
