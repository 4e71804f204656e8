import { createApi, type Model } from '@songkeep/api-client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { flushSync } from 'svelte';
import { Player } from './player.svelte';
import type { Job, Song } from './queue';
import { FakeAudio, FakeClock, settle, song } from './testing';

type LibraryEvent = Model<'LibraryEvent'>;

class FakeStore {
	readonly values = new Map<string, string>();
	getItem = (key: string) => this.values.get(key) ?? null;
	setItem = (key: string, value: string) => void this.values.set(key, value);
	removeItem = (key: string) => void this.values.delete(key);
}

class FakeChannel extends EventTarget {
	static open: FakeChannel[] = [];
	onmessage: ((event: MessageEvent) => void) | null = null;
	onmessageerror = null;
	constructor(readonly name: string) {
		super();
		FakeChannel.open.push(this);
	}
	postMessage(data: unknown) {
		for (const other of FakeChannel.open) {
			if (other !== this) other.onmessage?.(new MessageEvent('message', { data }));
		}
	}
	close() {
		FakeChannel.open = FakeChannel.open.filter((one) => one !== this);
	}
}

/** A signed-in page with a server that has `library`. */
function page({ store = new FakeStore(), library = [] as Song[], user = 'u1' } = {}) {
	const clock = new FakeClock();
	const gone = new Set<string>();
	const broken = new Set<string>();
	const audios: FakeAudio[] = [];
	const listeners = {
		job: new Set<(job: Job) => void>(),
		library: new Set<(event: LibraryEvent) => void>(),
		settled: new Set<(job: Job) => void>(),
		end: new Set<() => void>()
	};
	const known = new Map<string, Song>();
	const retried: string[] = [];
	const listen =
		<T>(set: Set<T>) =>
		(fn: T) => {
			set.add(fn);
			return () => set.delete(fn);
		};
	const api = createApi({
		baseUrl: 'http://songkeep.test/api',
		fetch: async (request) => {
			const { pathname } = new URL(request.url);
			if (pathname.endsWith('/library')) {
				return Response.json({ songs: library, next_cursor: null, total: library.length });
			}
			const id = pathname.split('/').at(-1) as string;
			if (gone.has(id)) return Response.json({ code: 'not_found', detail: '' }, { status: 404 });
			return Response.json({ stream_url: `/stream/${id}?t=${clock.now()}`, expires_in: 290 });
		}
	});
	const player = new Player({
		api,
		events: {
			online: true,
			on: ((kind: 'job' | 'library', fn: never) => listen<never>(listeners[kind] as Set<never>)(fn)) as never
		},
		imports: {
			onSettled: listen(listeners.settled),
			songOf: (id) => known.get(id),
			retry: async (id) => void retried.push(id)
		},
		session: { state: 'signed-in', user: { id: user } as never, onEnd: listen(listeners.end) },
		storage: store,
		clock,
		random: () => 0.4,
		channel: (name) => new FakeChannel(name) as unknown as BroadcastChannel,
		mediaSession: null,
		createAudio: () => {
			const audio = new FakeAudio(clock, (src) => (broken.has(src.split(/[/?]/)[2] as string) ? null : 100));
			audios.push(audio);
			return audio;
		}
	});
	flushSync();
	pages.push(player);
	return {
		player,
		clock,
		gone,
		broken,
		store,
		known,
		retried,
		tell: (event: LibraryEvent) => listeners.library.forEach((fn) => fn(event)),
		news: (job: Job) => listeners.job.forEach((fn) => fn(job)),
		settle: (job: Job) => listeners.settled.forEach((fn) => fn(job)),
		signOut: () => listeners.end.forEach((fn) => fn()),
		sounding: () => audios.filter((audio) => audio.sounding).map((audio) => audio.src.split(/[/?]/)[2])
	};
}

let pages: Player[] = [];
beforeEach(() => (FakeChannel.open = []));
afterEach(() => {
	for (const player of pages) player.dispose();
	pages = [];
});

const songs = (count: number) => Array.from({ length: count }, (_, i) => song(`s${i}`));
const titles = (player: Player) =>
	player.queue.map((entry) => (entry.kind === 'song' ? entry.song.id : `job ${entry.job.id}`));

/** The client's answers come through several promises, and some of them through a task. */
async function pass(clock: FakeClock, seconds: number) {
	for (let i = 0; i < 3; i++) {
		await new Promise((resolve) => setTimeout(resolve));
		await settle();
		await clock.pass(seconds / 3);
	}
}

function job(fields: Partial<Job> = {}): Job {
	return {
		id: 'j1',
		user_id: 'u1',
		source_provider: 'youtube',
		source_id: 'x',
		title: 'New',
		status: 'processing',
		stage: 'download',
		progress: 40,
		attempt: 1,
		song_id: null,
		created_at: '2026-01-01T00:00:00Z',
		updated_at: '2026-01-01T00:00:00Z',
		...fields
	};
}

describe('playing', () => {
	it('plays a list from a song on, and then the one after it', async () => {
		const { player, clock, sounding } = page();
		player.play(songs(3), 1);
		await pass(clock, 1);
		expect(sounding()).toEqual(['s1']);
		expect(titles(player)).toEqual(['s2']);
		await pass(clock, 75);
		await pass(clock, 25);
		expect(player.current?.id).toBe('s2');
		expect(sounding()).toEqual(['s2']);
		expect(player.history.map(({ id }) => id)).toEqual(['s1']);
	});

	it('goes back to the start of a song first, and only then to the one before', async () => {
		const { player, clock } = page();
		player.play(songs(3), 1);
		await pass(clock, 10);
		player.previous();
		expect(player.current?.id).toBe('s1');
		expect(player.position).toBe(0);
		player.previous();
		expect(player.current?.id).toBe('s0');
	});

	it('brings a cleared queue back, in its order', async () => {
		const { player, clock } = page();
		player.play(songs(4), 1);
		await pass(clock, 1);
		const undo = player.clear();
		expect(titles(player)).toEqual([]);
		undo();
		expect(titles(player)).toEqual(['s2', 's3']);
		player.next();
		expect(player.current?.id).toBe('s2');
	});

	it('goes on with the next song when the current one is removed', async () => {
		const { player, clock, sounding } = page();
		player.play(songs(3));
		await pass(clock, 5);
		player.removeCurrent();
		await pass(clock, 1);
		expect(sounding()).toEqual(['s1']);
	});

	it('skips a song that has left the library, and says so', async () => {
		const { player, clock, gone, sounding } = page();
		gone.add('s0');
		player.play(songs(2));
		await pass(clock, 2);
		expect(sounding()).toEqual(['s1']);
		expect(player.error?.text).toContain('Title s0');
		await pass(clock, 20);
		expect(player.error).toBeNull();
	});

	it('stops trying after some songs in a row that cannot be played', async () => {
		const { player, clock, broken } = page();
		const list = songs(50);
		for (const { id } of list) broken.add(id);
		player.play(list);
		for (let i = 0; i < 60; i++) await pass(clock, 6);
		expect(player.playing).toBe(false);
		expect(player.queue.length).toBeGreaterThan(40);
	});

	it('takes in the rest of a list while it plays, and not that of a list no longer played', async () => {
		const { player, clock } = page();
		const more = [songs(2).map(({ id }) => song(`x${id}`)), []];
		player.play(songs(2), 0, { more: async () => more.shift() ?? [] });
		await pass(clock, 1);
		expect(titles(player)).toEqual(['s1', 'xs0', 'xs1']);
		player.play(songs(1), 0, {
			more: async () => {
				player.play(songs(3));
				return songs(9);
			}
		});
		await pass(clock, 1);
		expect(titles(player)).toEqual(['s1', 's2']);
	});

	it('plays in one tab only', async () => {
		const [one, other] = [page(), page()];
		one.player.play(songs(1));
		await pass(one.clock, 1);
		other.player.play(songs(1));
		await pass(other.clock, 1);
		expect(other.player.playing).toBe(true);
		expect(one.player.playing).toBe(false);
	});

	it('stops at the end of the song when asked to, and stands ready at the next', async () => {
		const { player, clock, sounding } = page();
		player.play(songs(2));
		await pass(clock, 1);
		player.sleepIn('song');
		await pass(clock, 110);
		expect(sounding()).toEqual([]);
		expect(player.current?.id).toBe('s1');
		expect(player.sleepsAtSongEnd).toBe(false);
	});

	it('falls asleep after some minutes', async () => {
		const { player, clock, sounding } = page();
		player.play(songs(30));
		player.repeat = 'all';
		await pass(clock, 1);
		player.sleepIn(15);
		for (let i = 0; i < 14; i++) await pass(clock, 60);
		expect(sounding().length).toBe(1);
		await pass(clock, 62);
		expect(sounding()).toEqual([]);
		expect(player.sleepAt).toBeNull();
	});
});

describe('a reload', () => {
	it('finds the queue, the place and the modes again, paused', async () => {
		const store = new FakeStore();
		const before = page({ store });
		before.player.play(songs(4), 1);
		before.player.repeat = 'all';
		before.player.volume = 0.3;
		await pass(before.clock, 42);
		before.player.dispose();
		const { player, sounding, clock } = page({ store });
		await pass(clock, 1);
		expect(player.current?.id).toBe('s1');
		expect(player.position).toBeGreaterThan(36);
		expect(player.playing).toBe(false);
		expect(player.repeat).toBe('all');
		expect(player.volume).toBe(0.3);
		expect(titles(player)).toEqual(['s2', 's3']);
		expect(sounding()).toEqual([]);
	});

	it('restores the order that shuffling hides', async () => {
		const store = new FakeStore();
		const before = page({ store });
		before.player.play(songs(6), 2, { shuffle: true });
		await pass(before.clock, 2);
		const order = titles(before.player);
		before.player.dispose();
		const { player } = page({ store });
		expect(player.shuffle).toBe(true);
		expect(titles(player)).toEqual(order);
		player.shuffle = false;
		expect(titles(player)).toEqual(['s3', 's4', 's5']);
	});

	it('shows nothing of another account, nor of one that signed out', async () => {
		const store = new FakeStore();
		const before = page({ store });
		before.player.play(songs(2));
		await pass(before.clock, 2);
		expect(page({ store, user: 'u2' }).player.current).toBeNull();
		before.signOut();
		expect(before.player.current).toBeNull();
		expect(page({ store }).player.current).toBeNull();
		expect([...store.values.keys()].filter((key) => key.includes('u1'))).toEqual([]);
	});

	it('keeps a long queue in a few hundred kilobytes', async () => {
		const store = new FakeStore();
		const { player, clock } = page({ store });
		player.play(songs(50_000), 25_000);
		await pass(clock, 3);
		const size = [...store.values.values()].join('').length;
		expect(size).toBeLessThan(700_000);
		player.dispose();
		const after = page({ store }).player;
		expect(after.current?.id).toBe('s25000');
		expect(after.queue.length).toBeGreaterThan(700);
	});
});

describe('an import', () => {
	it('plays as soon as it is there', async () => {
		const { player, clock, news, settle: done, known, sounding } = page();
		player.play(songs(2));
		await pass(clock, 1);
		player.playWhenReady(job());
		expect(titles(player)).toEqual(['job j1', 's1']);
		news(job({ progress: 80 }));
		expect(player.awaiting?.progress).toBe(80);
		known.set('new', song('new'));
		done(job({ status: 'completed', song_id: 'new', progress: 100 }));
		await pass(clock, 1);
		expect(sounding()).toEqual(['new']);
		expect(titles(player)).toEqual(['s1']);
		expect(player.awaiting).toBeNull();
	});

	it('only waits in the queue when something else was chosen meanwhile', async () => {
		const { player, clock, settle: done, known, sounding } = page();
		player.playWhenReady(job());
		expect(player.current).toBeNull();
		player.play(songs(1));
		player.playWhenReady(job());
		player.next();
		player.playAt(0);
		player.play(songs(2));
		player.playNext([]);
		await pass(clock, 1);
		known.set('new', song('new'));
		done(job({ status: 'completed', song_id: 'new' }));
		await pass(clock, 1);
		expect(sounding()).toEqual(['s0']);
	});

	it('is looked up in the library when no event told of its song', async () => {
		const { player, clock, settle: done, sounding } = page({ library: [song('new')] });
		player.playWhenReady(job());
		done(job({ status: 'completed', song_id: 'new' }));
		await pass(clock, 1);
		expect(sounding()).toEqual(['new']);
		expect(player.current?.artist).toBe('Artist new');
	});

	it('says why when it fails, and can be tried again', async () => {
		const { player, settle: done, retried } = page();
		player.playWhenReady(job());
		done(job({ status: 'failed', failure_reason: 'This video is private.' }));
		expect(player.queue).toEqual([]);
		expect(player.error?.text).toBe('This video is private.');
		player.error?.retry?.();
		await settle();
		expect(retried).toEqual(['j1']);
		expect(titles(player)).toEqual(['job j1']);
	});
});

describe('news of the library', () => {
	it('shows new words, and takes out what was removed', async () => {
		const { player, clock, tell, sounding } = page();
		player.play(songs(3));
		await pass(clock, 1);
		tell({ change: 'updated', song_id: 's0', song: { ...song('s0'), title: 'Better' } });
		expect(player.current?.title).toBe('Better');
		tell({ change: 'removed', song_id: 's0' });
		await pass(clock, 1);
		expect(player.current?.id).toBe('s1');
		expect(sounding()).toEqual(['s1']);
		expect(player.history).toEqual([]);
	});
});
