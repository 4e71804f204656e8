/** The search as one types: the library answers at once, the source a little later, neither waits for the other. */
import type { components } from '@songkeep/api-client';
import type { Api } from '$lib/api';
import type { EventFeed } from '$lib/events';
import { dataOf } from '$lib/api/answer';
import { Answer } from './answer.svelte';
import { linkIn } from './link';
import { without, type Candidate, type Song } from './source';

const DEBOUNCE_MS = 250;
const OWNED_LIMIT = 6;
const FOUND_LIMIT = 20;
/** One letter matches half of the world; who means it presses Enter. */
const SHORTEST_FOR_SOURCE = 2;
const LONGEST = 300;

/** What a page keeps of a search while another one is looked at. */
export interface SearchMemory {
	readonly words: string;
	/** Null when the answer had not come yet. */
	readonly owned: readonly Song[] | null;
	readonly found: readonly Candidate[] | null;
}

export class Search {
	/** What stands in the field. */
	text = $state('');
	/** What was asked last, with single spaces; empty when nothing is searched for. */
	words = $state('');
	readonly owned = new Answer<Song>((words, signal) => this.#askLibrary(words, signal));
	readonly found = new Answer<Candidate>((words, signal) => this.#askSource(words, signal));
	link = $derived(linkIn(this.words));
	/** Recordings that the library section does not show already. */
	candidates = $derived(without(this.found.rows, this.owned.rows));
	isEmpty = $derived(
		this.words !== '' &&
			this.owned.for === this.words &&
			this.found.for === this.words &&
			this.owned.rows.length === 0 &&
			this.found.rows.length === 0
	);
	#timer: ReturnType<typeof setTimeout> | undefined;
	#retry: ReturnType<typeof setTimeout> | undefined;
	#stop: (() => void)[];
	#api: Api;

	constructor(api: Api, events: Pick<EventFeed, 'on'>) {
		this.#api = api;
		this.#stop = [events.on('library', (event) => this.#hear(event))];
	}

	/** The field has changed. */
	type(text: string): void {
		this.text = text;
		clearTimeout(this.#timer);
		const words = clean(text);
		if (words === '') this.#ask('', false);
		// A link is whole when it is there: nobody types one letter by letter.
		else if (linkIn(words)) this.#ask(words, true);
		else this.#timer = setTimeout(() => this.#ask(words, false), DEBOUNCE_MS);
	}

	/** Does not wait for more letters; the same words are asked again only when they had no answer. */
	submit(): void {
		clearTimeout(this.#timer);
		this.#ask(clean(this.text), true);
	}

	retry(): void {
		clearTimeout(this.#retry);
		if (this.words === '') return;
		if (this.owned.problem) void this.owned.ask(this.words);
		if (this.found.problem) void this.#askFound();
	}

	clear(): void {
		this.type('');
	}

	remember(): SearchMemory | null {
		const { words } = this;
		if (words === '') return null;
		const rowsOf = <T>(answer: Answer<T>) => (answer.for === words ? answer.rows : null);
		return { words, owned: rowsOf(this.owned), found: rowsOf(this.found) };
	}

	restore(memory: SearchMemory): void {
		clearTimeout(this.#timer);
		this.text = memory.words;
		this.owned.clear();
		this.found.clear();
		if (memory.owned) this.owned.show(memory.words, memory.owned);
		if (memory.found) this.found.show(memory.words, memory.found);
		// What is missing is asked for.
		this.submit();
	}

	dispose(): void {
		clearTimeout(this.#timer);
		clearTimeout(this.#retry);
		this.owned.clear();
		this.found.clear();
		for (const stop of this.#stop) stop();
	}

	#ask(words: string, isMeant: boolean): void {
		this.words = words;
		clearTimeout(this.#retry);
		if (words === '') {
			this.owned.clear();
			this.found.clear();
			return;
		}
		const isLink = linkIn(words) !== null;
		// A link's words are in no title; what it leads to says whether it is in the library.
		if (isLink) {
			this.owned.clear();
			this.owned.show(words, []);
		} else if (!this.owned.covers(words)) {
			void this.owned.ask(words);
		}
		if (this.found.covers(words)) return;
		if (isMeant || words.length >= SHORTEST_FOR_SOURCE) void this.#askFound();
		else this.found.clear();
	}

	/** When the server names a time to come back, that happens by itself. */
	async #askFound(): Promise<void> {
		const { words } = this;
		await this.found.ask(words);
		const { problem } = this.found;
		if (this.words !== words || problem?.code !== 'rate_limited' || !problem.retryAfter) return;
		clearTimeout(this.#retry);
		this.#retry = setTimeout(() => this.retry(), problem.retryAfter * 1_000);
	}

	async #askLibrary(words: string, signal: AbortSignal): Promise<readonly Song[]> {
		const query = { q: words, limit: OWNED_LIMIT };
		const page = await dataOf<components['schemas']['Library']>(
			this.#api.GET('/library', { params: { query }, signal })
		);
		return page.songs;
	}

	async #askSource(words: string, signal: AbortSignal): Promise<readonly Candidate[]> {
		const query = { q: words, limit: FOUND_LIMIT };
		const answer = await dataOf<components['schemas']['SearchAnswer']>(
			this.#api.GET('/songs/search', { params: { query }, signal })
		);
		return answer.candidates;
	}

	/** A song that was edited or taken out shows so here too; a new one already has its row below. */
	#hear({ change, song_id: id, song }: components['schemas']['LibraryEvent']): void {
		if (change === 'removed') this.owned.rows = this.owned.rows.filter((row) => row.id !== id);
		else if (song) this.owned.rows = this.owned.rows.map((row) => (row.id === id ? song : row));
	}
}

const clean = (text: string): string => text.trim().split(/\s+/).join(' ').slice(0, LONGEST);
