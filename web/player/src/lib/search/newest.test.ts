import { describe, expect, it } from 'vitest';
import { songOf } from '$lib/imports/testing';
import { Newest } from './newest.svelte';
import { fakeEvents, waitingApi } from './testing';

const song = (id: string, second: number) =>
	songOf({ id, added_at: `2026-03-01T12:00:${String(second).padStart(2, '0')}Z` });

describe('Newest', () => {
	async function load(songs: ReturnType<typeof song>[], total = songs.length) {
		const { api, calls } = waitingApi();
		const events = fakeEvents();
		const newest = new Newest(api, events);
		const loading = newest.load();
		calls[0]?.answer({ songs, total });
		await loading;
		return { newest, events, calls };
	}

	it('puts what arrives first, and counts it once', async () => {
		const { newest, events } = await load([song('a', 1)]);
		const arrived = { change: 'added', song_id: 'b', song: song('b', 9) };
		events.say('library', arrived);
		events.say('library', arrived);
		expect(newest.songs.map(({ id }) => id)).toEqual(['b', 'a']);
		expect(newest.total).toBe(2);
	});

	it('shows twelve at most', async () => {
		const { newest, events } = await load(Array.from({ length: 12 }, (_, at) => song(`s${at}`, 30 - at)));
		events.say('library', { change: 'added', song_id: 'new', song: song('new', 59) });
		expect(newest.songs.length).toBe(12);
		expect(newest.total).toBe(13);
	});

	it('lets older ones move up when one is taken out', async () => {
		const { newest, events, calls } = await load([song('a', 2), song('b', 1)], 5);
		events.say('library', { change: 'removed', song_id: 'a' });
		expect(newest.songs.map(({ id }) => id)).toEqual(['b']);
		expect(calls.length).toBe(2);
	});

	it('says why nothing is there', async () => {
		const { api, calls } = waitingApi();
		const newest = new Newest(api, fakeEvents());
		const loading = newest.load();
		calls[0]?.refuse({ code: 'unavailable', detail: 'Not now.' });
		await loading;
		expect(newest.problem?.code).toBe('unavailable');
		expect(newest.total).toBeNull();
	});
});
