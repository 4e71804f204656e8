/** One section's rows. Keeps the old ones while new ones are on their way, so that nothing flickers. */
import { problemOf } from '$lib/api';
import type { Problem } from './problem';

export class Answer<T> {
	rows = $state.raw<readonly T[]>([]);
	loading = $state(false);
	problem = $state.raw<Problem | null>(null);
	/** The words that `rows` answer; null when there is no answer. */
	for = $state<string | null>(null);
	#asking: string | null = null;
	#abort: AbortController | null = null;
	#fetch: (words: string, signal: AbortSignal) => Promise<readonly T[]>;

	constructor(fetch: (words: string, signal: AbortSignal) => Promise<readonly T[]>) {
		this.#fetch = fetch;
	}

	/** Whether these words are answered, or the answer is on its way. */
	covers(words: string): boolean {
		return this.loading ? this.#asking === words : this.for === words;
	}

	/** Resolves when there is an answer, or another question was asked. */
	async ask(words: string): Promise<void> {
		this.#abort?.abort();
		const abort = new AbortController();
		this.#abort = abort;
		this.#asking = words;
		this.loading = true;
		try {
			const rows = await this.#fetch(words, abort.signal);
			if (abort.signal.aborted) return;
			this.show(words, rows);
		} catch (error) {
			if (abort.signal.aborted) return;
			this.rows = [];
			this.for = null;
			this.problem = problemOf(error);
		}
		this.loading = false;
	}

	show(words: string, rows: readonly T[]): void {
		this.problem = null;
		this.rows = rows;
		this.for = words;
	}

	clear(): void {
		this.#abort?.abort();
		this.#abort = null;
		this.loading = false;
		this.problem = null;
		this.rows = [];
		this.for = null;
	}
}
