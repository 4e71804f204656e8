/**
 * A list that the server hands out page by page, and how many rows there are in all, so that a scroll bar
 * can be honest before the last page is there.
 */
import { problemOf, type Problem } from '$lib/api';

export interface Page<Row> {
	rows: Row[];
	next: string | null;
	total: number;
}

export type Fetch<Row> = (cursor: string | undefined, signal: AbortSignal) => Promise<Page<Row>>;

export class Pages<Row> {
	rows = $state.raw<readonly Row[]>([]);
	total = $state(0);
	/** Whether the first page has arrived. */
	ready = $state(false);
	problem = $state.raw<Problem | null>(null);
	#next: string | null | undefined = undefined;
	#fetch: Fetch<Row>;
	#loading: Promise<void> | null = null;
	#stop = new AbortController();
	/** Raised by `open`: answers to older questions are dropped. */
	#age = 0;

	constructor(fetch: Fetch<Row>) {
		this.#fetch = fetch;
	}

	get isWhole(): boolean {
		return this.#next === null;
	}

	/** Asks something else; what is shown stays until the first page of it is there. */
	open(fetch: Fetch<Row> = this.#fetch): Promise<void> {
		this.#age += 1;
		this.#stop.abort();
		this.#stop = new AbortController();
		this.#fetch = fetch;
		this.#next = undefined;
		this.#loading = null;
		this.problem = null;
		return this.more();
	}

	/** The next page; nothing after the last. */
	more(): Promise<void> {
		if (this.#next === null) return Promise.resolve();
		this.#loading ??= this.#load().finally(() => (this.#loading = null));
		return this.#loading;
	}

	/** Loads until a row is there, or nothing comes any more. */
	async ensure(index: number): Promise<void> {
		const age = this.#age;
		while (age === this.#age && this.rows.length <= index && !this.isWhole && !this.problem)
			await this.more();
	}

	/** The same question again, as far as it was read; rows change in one go. */
	async refresh(): Promise<void> {
		const age = this.#age;
		const wanted = this.rows.length;
		const { signal } = this.#stop;
		const rows: Row[] = [];
		let page: Page<Row> | null = null;
		do {
			page = await this.#fetch(page?.next ?? undefined, signal);
			if (age !== this.#age) return;
			rows.push(...page.rows);
		} while (page.next !== null && rows.length < wanted);
		this.rows = rows;
		this.total = page.total;
		this.#next = page.next;
		this.ready = true;
	}

	/** Changes what is here, as the server has done over there. */
	edit(rows: readonly Row[], difference: number): void {
		this.rows = rows;
		this.total = Math.max(rows.length, this.total + difference);
	}

	dispose(): void {
		this.#age += 1;
		this.#stop.abort();
	}

	async #load(): Promise<void> {
		const age = this.#age;
		const isFirst = this.#next === undefined;
		try {
			const page = await this.#fetch(this.#next ?? undefined, this.#stop.signal);
			if (age !== this.#age) return;
			this.rows = isFirst ? page.rows : [...this.rows, ...page.rows];
			this.total = Math.max(page.total, this.rows.length);
			this.#next = page.next;
			this.ready = true;
			this.problem = null;
		} catch (error) {
			if (age !== this.#age) return;
			this.problem = problemOf(error);
		}
	}
}
