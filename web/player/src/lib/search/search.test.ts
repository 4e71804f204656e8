import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { songOf } from '$lib/imports/testing';
import { Search } from './search.svelte';
import { candidateOf, fakeEvents, waitingApi } from './testing';

const settle = () => vi.advanceTimersByTimeAsync(0);
const found = (...ids: string[]) => ({ candidates: ids.map((source_id) => candidateOf({ source_id })) });
const owned = (...ids: string[]) => ({
	songs: ids.map((id) => songOf({ id, source_id: `of-${id}` })),
	total: ids.length
});

describe('Search', () => {
	let search: Search;
	beforeEach(() => void vi.useFakeTimers());
	afterEach(() => {
		search.dispose();
		vi.useRealTimers();
	});

	function begin() {
		const { api, calls } = waitingApi();
		const events = fakeEvents();
		search = new Search(api, events);
		const last = (path: string) => calls.filter((call) => call.path === path).at(-1);
		return { calls, events, library: () => last('/library'), source: () => last('/songs/search') };
	}

	async function type(text: string) {
		search.type(text);
		await vi.advanceTimersByTimeAsync(250);
	}

	it('asks once when somebody types quickly, and not for spaces', async () => {
		const { calls } = begin();
		for (const text of ['n', 'ne', 'nev', 'never ', 'never  ']) search.type(text);
		await vi.advanceTimersByTimeAsync(250);
		expect(calls.map(({ path, query }) => [path, query.q])).toEqual([
			['/library', 'never'],
			['/songs/search', 'never']
		]);
		await type('never   ');
		expect(calls.length).toBe(2);
	});

	it('shows the library at once, while the source is still asked', async () => {
		const { library } = begin();
		await type('never');
		library()?.answer(owned('a'));
		await settle();
		expect(search.owned.rows.map(({ id }) => id)).toEqual(['a']);
		expect(search.found.loading).toBe(true);
	});

	it('keeps the old rows while new ones are on their way, and gives up the old question', async () => {
		const { source } = begin();
		await type('never');
		source()?.answer(found('a'));
		await settle();
		await type('never gonna');
		const given = source();
		expect(search.found.rows.length).toBe(1);
		await type('never gonna give');
		expect(given?.signal?.aborted).toBe(true);
		source()?.answer(found('b', 'c'));
		await settle();
		expect(search.candidates.map(({ source_id }) => source_id)).toEqual(['b', 'c']);
	});

	it('lists nothing twice', async () => {
		const { library, source } = begin();
		await type('never');
		library()?.answer(owned('x'));
		source()?.answer(found('of-x', 'b'));
		await settle();
		expect(search.candidates.map(({ source_id }) => source_id)).toEqual(['b']);
	});

	it('asks the source for one letter only when it is meant', async () => {
		const { source } = begin();
		await type('u');
		expect(source()).toBeUndefined();
		search.submit();
		expect(source()?.query.q).toBe('u');
	});

	it('keeps the library when the source does not answer, and asks again when told to', async () => {
		const { library, source, calls } = begin();
		await type('never');
		library()?.answer(owned('a'));
		source()?.refuse({ code: 'search_unavailable', detail: 'Not now.' });
		await settle();
		expect(search.found.problem?.code).toBe('search_unavailable');
		expect(search.owned.rows.length).toBe(1);
		const before = calls.length;
		search.retry();
		expect(calls.length).toBe(before + 1);
		source()?.answer(found('b'));
		await settle();
		expect(search.found.problem).toBeNull();
		expect(search.candidates.length).toBe(1);
	});

	it('goes on by itself when the server has said when', async () => {
		const { source, calls } = begin();
		await type('never');
		source()?.refuse({ code: 'rate_limited', detail: 'Too many.', retry_after: 20 });
		await settle();
		const before = calls.length;
		await vi.advanceTimersByTimeAsync(19_000);
		expect(calls.length).toBe(before);
		await vi.advanceTimersByTimeAsync(1_500);
		expect(calls.length).toBe(before + 1);
	});

	it('asks for a link at once, and only what it leads to', async () => {
		const { calls } = begin();
		search.type('https://youtu.be/dQw4w9WgXcQ');
		expect(calls.map(({ path }) => path)).toEqual(['/songs/search']);
		expect(search.link?.source?.id).toBe('dQw4w9WgXcQ');
	});

	it('finds nothing only when both have answered', async () => {
		const { library, source } = begin();
		await type('xyzzy');
		source()?.answer(found());
		await settle();
		expect(search.isEmpty).toBe(false);
		library()?.answer(owned());
		await settle();
		expect(search.isEmpty).toBe(true);
	});

	it('is as before when it is cleared, whatever comes late', async () => {
		const { source } = begin();
		await type('never');
		const late = source();
		search.clear();
		late?.answer(found('a'));
		await settle();
		expect([search.words, search.candidates.length, search.found.loading]).toEqual(['', 0, false]);
	});

	it('comes back as it was left', async () => {
		const { library, source, calls } = begin();
		await type('never');
		expect(search.remember()).toEqual({ words: 'never', owned: null, found: null });
		library()?.answer(owned('a'));
		source()?.answer(found('b'));
		await settle();
		const memory = search.remember();
		search.clear();
		if (memory) search.restore(memory);
		const before = calls.length;
		search.submit();
		expect(calls.length).toBe(before);
		expect(search.candidates.length).toBe(1);
	});

	it('drops a song that is taken out of the library', async () => {
		const { library, events } = begin();
		await type('never');
		library()?.answer(owned('a', 'b'));
		await settle();
		events.say('library', { change: 'removed', song_id: 'a' });
		expect(search.owned.rows.map(({ id }) => id)).toEqual(['b']);
	});
});
