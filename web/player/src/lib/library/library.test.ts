import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { song } from '$lib/player/testing';
import type { EventData, EventKind } from '$lib/events';
import type { Api } from '$lib/api';
import { Pages } from './pages.svelte';
import { Selection } from './selection.svelte';
import { SongPages } from './songs.svelte';

/** A server with so many songs, and the events that it sends. */
function world(count: number) {
	const listeners = new Map<EventKind, ((data: never) => void)[]>();
	const songs = Array.from({ length: count }, (_, at) => song(`s${at}`));
	const calls: unknown[] = [];
	const api = {
		GET: (_path: string, { params }: { params: { query: { cursor?: string; limit: number } } }) => {
			calls.push(params.query);
			const from = Number(params.query.cursor ?? 0);
			const to = from + params.query.limit;
			const data = {
				songs: songs.slice(from, to),
				next_cursor: to < songs.length ? String(to) : null,
				total: songs.length
			};
			return Promise.resolve({ data, response: new Response() });
		}
	} as unknown as Api;
	const events = {
		on: (kind: EventKind, listener: (data: never) => void) => {
			listeners.set(kind, [...(listeners.get(kind) ?? []), listener]);
			return () => undefined;
		}
	};
	const send = <K extends EventKind>(kind: K, data: EventData[K]) => {
		for (const listener of listeners.get(kind) ?? []) listener(data as never);
	};
	return { api, events, send, songs, calls };
}

async function shown(count: number, sort: 'newest' | 'title' = 'newest') {
	const made = world(count);
	const pages = new SongPages(made.api, made.events);
	pages.show({ sort });
	await vi.waitFor(() => expect(pages.ready).toBe(true));
	return { ...made, pages };
}

describe('a list of songs', () => {
	beforeEach(() => vi.useFakeTimers());
	afterEach(() => vi.useRealTimers());

	it('knows how many there are before it has them', async () => {
		const { pages } = await shown(1_200);
		expect(pages.rows).toHaveLength(500);
		expect(pages.total).toBe(1_200);
	});

	it('loads on until a row is there', async () => {
		const { pages } = await shown(1_700);
		await pages.ensure(1_600);
		expect(pages.rows[1_600]?.id).toBe('s1600');
		expect(pages.isWhole).toBe(true);
	});

	it('does not ask the same again', async () => {
		const { pages, calls } = await shown(3);
		pages.show({ sort: 'newest' });
		expect(calls).toHaveLength(1);
	});

	it('takes a new song to its top', async () => {
		const { pages, send } = await shown(2);
		send('library', { change: 'added', song_id: 'new', song: song('new') });
		expect(pages.rows.map((row) => row.id)).toEqual(['new', 's0', 's1']);
		expect(pages.total).toBe(3);
	});

	it('asks the server where a new song belongs under another order', async () => {
		const { pages, send, songs, calls } = await shown(2, 'title');
		songs.splice(1, 0, song('between'));
		send('library', { change: 'added', song_id: 'between', song: song('between') });
		send('library', { change: 'updated', song_id: 's0', song: song('s0') });
		await vi.advanceTimersByTimeAsync(1_000);
		expect(pages.rows.map((row) => row.id)).toEqual(['s0', 'between', 's1']);
		expect(calls).toHaveLength(2);
	});

	it('loses a song that was taken out elsewhere', async () => {
		const { pages, send } = await shown(3);
		send('library', { change: 'removed', song_id: 's1' });
		expect(pages.rows.map((row) => row.id)).toEqual(['s0', 's2']);
		expect(pages.total).toBe(2);
	});

	it('reads as far as it was after missed events', async () => {
		const { pages, send, songs } = await shown(1_200);
		await pages.ensure(700);
		songs.shift();
		send('reset', undefined);
		await vi.advanceTimersByTimeAsync(1_000);
		expect(pages.rows).toHaveLength(1_000);
		expect(pages.rows[0]?.id).toBe('s1');
	});
});

describe('pages', () => {
	it('drop the answer to an older question', async () => {
		let answerFirst: (page: { rows: string[]; next: null; total: number }) => void = () => undefined;
		const pages = new Pages<string>(() => new Promise((resolve) => (answerFirst = resolve)));
		void pages.open();
		await pages.open(() => Promise.resolve({ rows: ['new'], next: null, total: 1 }));
		answerFirst({ rows: ['old'], next: null, total: 1 });
		await Promise.resolve();
		expect(pages.rows).toEqual(['new']);
	});

	it('keep what is shown when the next page does not come', async () => {
		const pages = new Pages<string>((cursor) =>
			cursor === undefined
				? Promise.resolve({ rows: ['a'], next: 'b', total: 2 })
				: Promise.reject(new TypeError('Failed to fetch'))
		);
		await pages.open();
		await pages.ensure(1);
		expect(pages.rows).toEqual(['a']);
		expect(pages.problem?.code).toBe('offline');
	});
});

describe('a selection', () => {
	const idAt = (index: number) => `s${index}`;
	const plain = { shiftKey: false, ctrlKey: false, metaKey: false };

	it('is one row after a click', () => {
		const selection = new Selection();
		selection.choose(1, idAt, plain);
		selection.choose(4, idAt, plain);
		expect([...selection.chosen]).toEqual(['s4']);
	});

	it('reaches from the last click with shift', () => {
		const selection = new Selection();
		selection.choose(4, idAt, plain);
		selection.choose(2, idAt, { ...plain, shiftKey: true });
		expect([...selection.chosen].sort()).toEqual(['s2', 's3', 's4']);
		selection.choose(5, idAt, { ...plain, shiftKey: true });
		expect([...selection.chosen].sort()).toEqual(['s4', 's5']);
	});

	it('takes single rows in and out with control', () => {
		const selection = new Selection();
		selection.choose(1, idAt, plain);
		selection.choose(3, idAt, { ...plain, ctrlKey: true });
		selection.choose(1, idAt, { ...plain, ctrlKey: true });
		expect([...selection.chosen]).toEqual(['s3']);
	});
});
