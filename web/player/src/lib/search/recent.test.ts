import { beforeEach, describe, expect, it } from 'vitest';
import { RecentSearches } from './recent.svelte';

describe('RecentSearches', () => {
	beforeEach(() => localStorage.clear());

	it('keeps the last eight, each once, and knows them again', () => {
		const recent = new RecentSearches('ada', localStorage);
		for (let at = 0; at < 10; at += 1) recent.add(`song ${at}`);
		recent.add('SONG 5');
		const again = new RecentSearches('ada', localStorage);
		expect(again.list).toEqual([
			'SONG 5',
			'song 9',
			'song 8',
			'song 7',
			'song 6',
			'song 4',
			'song 3',
			'song 2'
		]);
	});

	it('are of one account only', () => {
		new RecentSearches('ada', localStorage).add('never gonna');
		expect(new RecentSearches('bob', localStorage).list).toEqual([]);
	});

	it('can be forgotten one by one and all together', () => {
		const recent = new RecentSearches('ada', localStorage);
		for (const words of ['one song', 'two songs', 'three songs']) recent.add(words);
		recent.remove('two songs');
		expect(recent.list).toEqual(['three songs', 'one song']);
		recent.clear();
		expect(localStorage.length).toBe(0);
	});

	it('does without a storage, and with a spoilt one', () => {
		const recent = new RecentSearches('ada', null);
		recent.add('never gonna');
		expect(recent.list).toEqual(['never gonna']);
		localStorage.setItem('songkeep-searches:ada', '{"not":"a list"}');
		expect(new RecentSearches('ada', localStorage).list).toEqual([]);
	});
});
