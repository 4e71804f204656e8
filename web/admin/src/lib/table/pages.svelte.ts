/** A list that the API gives page by page, newest first. */

export interface Page<Row> {
	rows: Row[];
	next: string | null;
}

export type FetchPage<Row> = (cursor: string | null) => Promise<Page<Row>>;

export class Pages<Row extends { id: string }> {
	rows = $state.raw<Row[]>([]);
	state = $state<'loading' | 'ready' | 'failed'>('loading');
	/** While the next page is on its way. */
	extending = $state(false);
	/** What was thrown last; null once something succeeded. */
	error = $state.raw<unknown>(null);
	#next = $state<string | null>(null);
	#fetch: FetchPage<Row> = () => Promise.resolve({ rows: [], next: null });
	/** Answers to what was asked for before are of no use. */
	#turn = 0;

	get hasMore(): boolean {
		return this.#next !== null;
	}

	/** Starts afresh, by other filters when `fetch` is given. */
	async load(fetch: FetchPage<Row> = this.#fetch): Promise<void> {
		this.#fetch = fetch;
		this.#turn += 1;
		this.extending = false;
		this.state = 'loading';
		await this.#ask(null, (page) => {
			this.rows = page.rows;
			this.#next = page.next;
			this.state = 'ready';
		});
	}

	async loadMore(): Promise<void> {
		if (this.#next === null || this.extending || this.state !== 'ready') return;
		this.extending = true;
		await this.#ask(this.#next, (page) => {
			// Rows that moved between two pages come twice.
			const known = new Set(this.rows.map((row) => row.id));
			this.rows = [...this.rows, ...page.rows.filter((row) => !known.has(row.id))];
			this.#next = page.next;
		});
	}

	/** Brings the first page up to date and keeps what is loaded below it. */
	async refresh(): Promise<void> {
		if (this.state !== 'ready' || this.extending) return;
		await this.#ask(null, (page) => {
			const last = page.rows.at(-1);
			const at = last ? this.rows.findIndex((row) => row.id === last.id) : -1;
			if (page.next === null || at < 0) {
				this.rows = page.rows;
				this.#next = page.next;
				return;
			}
			const fresh = new Set(page.rows.map((row) => row.id));
			const below = this.rows.slice(at + 1).filter((row) => !fresh.has(row.id));
			// Only when nothing was loaded below is the older cursor the wrong one.
			if (below.length === 0) this.#next = page.next;
			this.rows = [...page.rows, ...below];
		});
	}

	/** Puts changed values into a row. */
	update(id: string, changed: Partial<Row>): void {
		this.rows = this.rows.map((row) => (row.id === id ? { ...row, ...changed } : row));
	}

	remove(id: string): void {
		this.rows = this.rows.filter((row) => row.id !== id);
	}

	async #ask(cursor: string | null, take: (page: Page<Row>) => void): Promise<void> {
		const turn = this.#turn;
		try {
			const page = await this.#fetch(cursor);
			if (turn !== this.#turn) return;
			this.error = null;
			take(page);
		} catch (error) {
			if (turn !== this.#turn) return;
			this.error = error;
			if (this.state === 'loading') this.state = 'failed';
		} finally {
			if (turn === this.#turn) this.extending = false;
		}
	}
}
