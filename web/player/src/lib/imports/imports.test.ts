import { describe, expect, it } from 'vitest';
import type { Api } from '$lib/api';
import type { EventData, EventKind } from '$lib/events';
import { Imports } from './imports.svelte';
import type { Job } from './job';
import { jobOf, songOf } from './testing';

type Call = { method: string; path: string; id?: string; query?: Record<string, unknown>; body?: unknown };
type Answer = (call: Call) => unknown;

/** A client that answers by a function and remembers what it was asked. */
function fakeApi(answer: Answer) {
	const calls: Call[] = [];
	const method =
		(name: string) =>
		(
			path: string,
			options: { params?: { path?: { id: string }; query?: Record<string, unknown> }; body?: unknown } = {}
		) => {
			const { params, body } = options;
			const call = { method: name, path, id: params?.path?.id, query: params?.query, body };
			calls.push(call);
			const data = answer(call);
			const response = new Response(null, { status: data instanceof Error ? 500 : 200 });
			return Promise.resolve(data instanceof Error ? { error: data, response } : { data, response });
		};
	const api = { GET: method('GET'), POST: method('POST'), DELETE: method('DELETE') } as unknown as Api;
	return { api, calls };
}

function fakeEvents() {
	const listeners = new Map<EventKind, (data: never) => void>();
	return {
		on<K extends EventKind>(kind: K, run: (data: EventData[K]) => void) {
			listeners.set(kind, run as (data: never) => void);
			return () => void listeners.delete(kind);
		},
		listening: () => Promise.resolve(),
		say<K extends EventKind>(kind: K, data: EventData[K]) {
			listeners.get(kind)?.(data as never);
		}
	};
}

const at = (second: number) => `2026-03-01T12:00:${String(second).padStart(2, '0')}Z`;
const NOTHING = { jobs: [], next_cursor: null };

function importsOf(answer: Answer) {
	const { api, calls } = fakeApi(answer);
	const events = fakeEvents();
	return { imports: new Imports(api, events), events, calls };
}

describe('Imports', () => {
	it('shows what happens without loading anything again', async () => {
		const job = jobOf({ id: 'a', status: 'processing' });
		const { imports, events, calls } = importsOf(({ query }) =>
			query?.status ? NOTHING : { ...NOTHING, jobs: [job] }
		);
		await imports.load();
		const asked = calls.length;
		events.say('job', { ...job, progress: 60, updated_at: at(5) });
		expect(imports.bySource('youtube', job.source_id)?.progress).toBe(60);
		events.say('job', { ...job, status: 'completed', song_id: 's', updated_at: at(9) });
		expect(imports.active).toEqual([]);
		expect(imports.arrivedFrom('youtube', job.source_id)).toBe('s');
		expect(calls.length).toBe(asked);
	});

	it('does not go back to what a late answer says', async () => {
		const old = jobOf({ id: 'a', status: 'queued' });
		const { imports, events } = importsOf(() => ({ ...NOTHING, jobs: [old] }));
		events.say('job', { ...old, status: 'processing', progress: 30, updated_at: at(3) });
		await imports.load();
		expect(imports.list[0]?.progress).toBe(30);
	});

	it('does not take an old finished job for a song that has just arrived', async () => {
		const done = jobOf({ id: 'a', status: 'completed', song_id: 's' });
		const { imports } = importsOf(() => ({ ...NOTHING, jobs: [done] }));
		await imports.load();
		expect(imports.arrivedFrom('youtube', done.source_id)).toBeUndefined();
	});

	it('tells once of each job that ends', () => {
		const { imports, events } = importsOf(() => NOTHING);
		const ended: string[] = [];
		imports.onSettled(({ id, status }) => ended.push(`${id} ${status}`));
		const job = jobOf({ id: 'a', status: 'processing' });
		events.say('job', job);
		events.say('job', { ...job, status: 'failed', updated_at: at(2) });
		events.say('job', { ...job, status: 'failed', updated_at: at(3) });
		expect(ended).toEqual(['a failed']);
	});

	it('gives the newest job of a source', () => {
		const { imports, events } = importsOf(() => NOTHING);
		events.say('job', jobOf({ id: 'b', status: 'failed', created_at: at(1) }));
		events.say('job', jobOf({ id: 'a', status: 'queued', created_at: at(30) }));
		expect(imports.bySource('youtube', 'dQw4w9WgXcQ')?.id).toBe('a');
	});

	it('knows that a wish is on its way before the server has answered', async () => {
		const { imports } = importsOf(() => jobOf({ id: 'a' }));
		const wish = imports.start({ source_provider: 'youtube', source_id: 'dQw4w9WgXcQ' });
		expect(imports.isStarting('youtube', 'dQw4w9WgXcQ')).toBe(true);
		await wish;
		expect(imports.isStarting('youtube', 'dQw4w9WgXcQ')).toBe(false);
		expect(imports.active.length).toBe(1);
	});

	it('hands a refusal on and forgets the wish', async () => {
		const refusal = new Error('too many');
		const { imports } = importsOf(() => refusal);
		await expect(imports.start({ source_provider: 'youtube', source_id: 'x' })).rejects.toBe(refusal);
		expect(imports.isStarting('youtube', 'x')).toBe(false);
	});

	it('shows a running job as being cancelled until it is', async () => {
		const job = jobOf({ id: 'a', status: 'processing' });
		const { imports, events } = importsOf(() => job);
		events.say('job', job);
		await imports.cancel('a');
		expect(imports.isCancelling('a')).toBe(true);
		events.say('job', { ...job, status: 'cancelled', updated_at: at(4) });
		expect(imports.isCancelling('a')).toBe(false);
	});

	it('forgets a song that is taken out of the library, and knows it again when it comes back', () => {
		const { imports, events } = importsOf(() => NOTHING);
		const song = songOf({ id: 's' });
		events.say('library', { change: 'added', song_id: 's', song });
		expect(imports.arrivedFrom('youtube', song.source_id)).toBe('s');
		events.say('library', { change: 'removed', song_id: 's' });
		expect(imports.arrivedFrom('youtube', song.source_id)).toBeUndefined();
		expect(imports.isGone('s')).toBe(true);
		events.say('library', { change: 'added', song_id: 's', song });
		expect(imports.isGone('s')).toBe(false);
		expect(imports.songOf('s')?.title).toBe(song.title);
	});

	describe('page by page', () => {
		const jobs = Array.from({ length: 6 }, (_, index) =>
			jobOf({
				id: `j${index}`,
				status: index % 2 ? 'failed' : 'completed',
				created_at: at(50 - index),
				source_id: `s${index}`
			})
		);

		function pagesOf(list: readonly Job[], cursor: unknown) {
			const from = Number(cursor ?? 0);
			return {
				jobs: list.slice(from, from + 2),
				next_cursor: from + 2 < list.length ? String(from + 2) : null
			};
		}

		const server: Answer = ({ query }) =>
			pagesOf(query?.status ? jobs.filter(({ status }) => status === query.status) : jobs, query?.cursor);

		it('hides what lies below the pages read so far, so that the list has no gaps', async () => {
			const { imports } = importsOf(server);
			await imports.load();
			await imports.more('failed');
			expect(imports.shown('failed').map(({ id }) => id)).toEqual(['j1', 'j3']);
			expect(imports.shown('all').map(({ id }) => id)).toEqual(['j0', 'j1']);
			await imports.more('all');
			expect(imports.shown('all').map(({ id }) => id)).toEqual(['j0', 'j1', 'j2', 'j3']);
			expect(imports.hasMore('all')).toBe(true);
			await imports.more('all');
			expect(imports.hasMore('all')).toBe(false);
			expect(imports.shown('all').length).toBe(6);
		});

		it('retries every failed job, also those on pages that nobody has looked at', async () => {
			const { imports, calls } = importsOf((call) =>
				call.method === 'POST'
					? { ...jobOf({ id: call.id, status: 'queued' }), updated_at: at(59) }
					: server(call)
			);
			await imports.load();
			expect(await imports.retryAllFailed()).toBe(3);
			const retried = calls.filter(({ method }) => method === 'POST').map(({ id }) => id);
			expect(retried.sort()).toEqual(['j1', 'j3', 'j5']);
			expect(imports.active.length).toBe(3);
		});
	});

	it('asks after missed events for what was under way, wherever it is now', async () => {
		const lost = jobOf({ id: 'lost', status: 'processing' });
		const { imports, events } = importsOf(({ path }) =>
			path === '/jobs/{id}' ? { ...lost, status: 'completed', song_id: 's', updated_at: at(9) } : NOTHING
		);
		await imports.load();
		events.say('job', lost);
		const settled = new Promise<Job>((resolve) => imports.onSettled(resolve));
		events.say('reset', undefined);
		expect((await settled).status).toBe('completed');
		expect(imports.active).toEqual([]);
	});
});
