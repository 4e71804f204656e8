import { describe, expect, it } from 'vitest';
import {
	advanced,
	arrived,
	awaited,
	cleared,
	currentOf,
	emptyQueue,
	enqueued,
	isShuffled,
	jumped,
	moved,
	playedNext,
	removedAt,
	replaced,
	retreated,
	upcomingOf,
	withJob,
	withRepeat,
	withShuffle,
	withSong,
	without,
	type Job,
	type Queue,
	type Random
} from './queue';
import { song } from './testing';

/** A small generator with a seed, so that a failure can be seen again. */
function seeded(seed: number): Random {
	let state = seed >>> 0;
	return () => {
		state = (state + 0x6d2b79f5) >>> 0;
		let t = Math.imul(state ^ (state >>> 15), 1 | state);
		t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
		return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
	};
}

const random = seeded(7);
const songs = (count: number) => Array.from({ length: count }, (_, i) => song(String(i)));
const ids = (queue: Queue) =>
	queue.entries.map((entry) => (entry.kind === 'song' ? entry.song.id : `job ${entry.job.id}`));
const now = (queue: Queue) => currentOf(queue)?.song.id ?? null;
const coming = (queue: Queue) =>
	upcomingOf(queue).map((entry) => (entry.kind === 'song' ? entry.song.id : `job ${entry.job.id}`));
const of = (count: number, start = 0, shuffle = false, by = random) =>
	replaced(emptyQueue, songs(count), start, shuffle, by);

function job(id: string, status = 'processing'): Job {
	return {
		id,
		user_id: 'u',
		source_provider: 'youtube',
		source_id: id,
		title: `Job ${id}`,
		status,
		stage: 'download',
		progress: 10,
		attempt: 1,
		created_at: '2026-01-01T00:00:00Z',
		updated_at: '2026-01-01T00:00:00Z'
	};
}

/** All songs in the order in which they are heard until nothing follows. */
function heard(queue: Queue, by = random, limit = 1000): string[] {
	const out: string[] = [];
	for (let at: Queue | null = queue; at !== null && out.length < limit; at = advanced(at, true, by)) {
		out.push(now(at) ?? '-');
	}
	return out;
}

describe('shuffling', () => {
	it('plays every song once, whatever was heard before it was switched on', () => {
		for (let seed = 0; seed < 200; seed++) {
			const by = seeded(seed);
			const count = 1 + Math.floor(by() * 30);
			let queue = of(count, Math.floor(by() * count), false, by);
			const before: string[] = [];
			for (let i = Math.floor(by() * count); i > 0; i--) {
				const next = advanced(queue, true, by);
				if (next === null) break;
				before.push(now(queue) as string);
				queue = next;
			}
			const current = now(queue);
			queue = withShuffle(queue, true, by);
			expect(now(queue)).toBe(current);
			const all = [...before, ...heard(queue, by)];
			expect(all.length).toBe(count);
			expect(new Set(all).size).toBe(count);
		}
	});

	it('starts with the chosen song', () => {
		const queue = of(20, 7, true);
		expect(now(queue)).toBe('7');
		expect(new Set(heard(queue)).size).toBe(20);
	});

	it('gives every order the same chance', () => {
		const seen = new Map<string, number>();
		const by = seeded(3);
		for (let i = 0; i < 6000; i++) {
			const order = coming(of(4, 0, true, by)).join('');
			seen.set(order, (seen.get(order) ?? 0) + 1);
		}
		expect(seen.size).toBe(6);
		for (const count of seen.values()) expect(Math.abs(count - 1000)).toBeLessThan(150);
	});

	it('restores the order when switched off, around the current song', () => {
		let queue = of(50, 10, true);
		for (let i = 0; i < 5; i++) queue = advanced(queue, true, random) as Queue;
		const current = now(queue);
		queue = withShuffle(queue, false, random);
		expect(ids(queue)).toEqual(songs(50).map(({ id }) => id));
		expect(now(queue)).toBe(current);
		expect(isShuffled(queue)).toBe(false);
	});

	it('keeps what was added meanwhile where it was added', () => {
		let queue = of(5, 0, true);
		const current = now(queue);
		queue = enqueued(playedNext(queue, [song('x')]), [song('y')]);
		expect(coming(queue)[0]).toBe('x');
		queue = withShuffle(queue, false, random);
		expect(ids(queue)).toEqual(['0', 'x', '1', '2', '3', '4', 'y']);
		expect(now(queue)).toBe(current);
	});

	it('mixes anew for every round and never repeats a song across the turn', () => {
		let queue = withRepeat(of(6, 0, true), 'all');
		for (let round = 0; round < 50; round++) {
			const order: string[] = [];
			let last = '';
			for (let i = 0; i < 6; i++) {
				last = now(queue) as string;
				order.push(last);
				queue = advanced(queue, true, random) as Queue;
			}
			expect(new Set(order).size).toBe(6);
			expect(now(queue)).not.toBe(last);
		}
	});
});

describe('going on', () => {
	it('ends after the last song', () => {
		expect(heard(of(3))).toEqual(['0', '1', '2']);
	});

	it('goes around with repeat', () => {
		expect(heard(withRepeat(of(3, 1), 'all'), random, 7)).toEqual(['1', '2', '0', '1', '2', '0', '1']);
	});

	it('holds one song with repeat one, but lets a press on next through', () => {
		const queue = withRepeat(of(3), 'one');
		expect(now(advanced(queue, true, random) as Queue)).toBe('0');
		expect(now(advanced(queue, false, random) as Queue)).toBe('1');
		expect(now(advanced(jumped(queue, 2), false, random) as Queue)).toBe('0');
	});

	it('goes back, and around only with repeat', () => {
		expect(now(retreated(of(3, 2)) as Queue)).toBe('1');
		expect(retreated(of(3))).toBeNull();
		expect(now(retreated(withRepeat(of(3), 'all')) as Queue)).toBe('2');
	});

	it('goes back through the shuffled order', () => {
		const queue = of(9, 4, true);
		const next = advanced(queue, true, random) as Queue;
		expect(now(retreated(next) as Queue)).toBe('4');
	});
});

describe('changing what comes', () => {
	it('plays next before everything else, in the given order', () => {
		const queue = playedNext(of(4, 1), [song('x'), song('y')]);
		expect(coming(queue)).toEqual(['x', 'y', '2', '3']);
		expect(now(queue)).toBe('1');
	});

	it('makes the first song current when nothing was', () => {
		expect(now(playedNext(emptyQueue, songs(2)))).toBe('0');
		expect(coming(enqueued(emptyQueue, songs(2)))).toEqual(['1']);
		expect(currentOf(enqueued(emptyQueue, []))).toBeNull();
	});

	it('tells the same song apart when it is queued twice', () => {
		const queue = enqueued(of(2), [song('1')]);
		expect(coming(removedAt(queue, 1))).toEqual(['1']);
		expect(new Set(queue.entries.map(({ key }) => key)).size).toBe(3);
	});

	it('goes to the next song when the current one is removed', () => {
		expect(now(removedAt(of(3, 1), 1))).toBe('2');
		const last = removedAt(of(3, 2), 2);
		expect(now(last)).toBeNull();
		expect(coming(last)).toEqual([]);
		expect(now(removedAt(withRepeat(of(3, 2), 'all'), 2))).toBe('0');
	});

	it('keeps the current song when others are removed or moved', () => {
		for (let seed = 0; seed < 300; seed++) {
			const by = seeded(seed);
			const count = 2 + Math.floor(by() * 12);
			let queue = of(count, Math.floor(by() * count), by() < 0.5, by);
			const current = now(queue);
			for (let step = 0; step < 20; step++) {
				const at = Math.floor(by() * queue.entries.length);
				const what = by();
				if (what < 0.4) queue = moved(queue, at, Math.floor(by() * queue.entries.length));
				else if (what < 0.6 && at !== queue.index) queue = removedAt(queue, at);
				else if (what < 0.7) queue = playedNext(queue, [song(`n${step}`)]);
				else if (what < 0.8) queue = enqueued(queue, [song(`e${step}`)]);
				else queue = withShuffle(queue, !isShuffled(queue), by);
				expect(now(queue)).toBe(current);
				expect(queue.since).toBeGreaterThanOrEqual(0);
				expect(queue.since).toBeLessThanOrEqual(queue.index);
				if (queue.base !== null) {
					expect([...queue.base].map(({ key }) => key).sort()).toEqual(
						[...queue.entries].map(({ key }) => key).sort()
					);
				}
			}
		}
	});

	it('moves an entry by one place or across the current song', () => {
		expect(ids(moved(of(4), 3, 1))).toEqual(['0', '3', '1', '2']);
		const across = moved(of(4, 1), 3, 0);
		expect(ids(across)).toEqual(['3', '0', '1', '2']);
		expect(now(across)).toBe('1');
		expect(moved(of(4), 1, 9)).toEqual(of(4));
	});

	it('clears what comes and nothing else', () => {
		const queue = cleared(of(5, 2));
		expect(ids(queue)).toEqual(['0', '1', '2']);
		expect(now(queue)).toBe('2');
		const mixed = cleared(of(5, 2, true));
		expect(ids(withShuffle(mixed, false, random))).toEqual(['2']);
	});

	it('takes a song that left the library out wherever it stands', () => {
		const queue = without(
			enqueued(of(4, 1), [song('1')]),
			(entry) => entry.kind === 'song' && entry.song.id === '1'
		);
		expect(ids(queue)).toEqual(['0', '2', '3']);
		expect(now(queue)).toBe('2');
	});

	it('shows a song’s new words everywhere', () => {
		const queue = withSong(of(3, 0, true), { ...song('1'), title: 'New' });
		const titles = withShuffle(queue, false, random).entries.map((entry) =>
			entry.kind === 'song' ? entry.song.title : ''
		);
		expect(titles[1]).toBe('New');
	});
});

describe('songs that are still being imported', () => {
	it('waits next, is passed over, and plays in its place once it is there', () => {
		let queue = awaited(of(3), job('j'));
		expect(coming(queue)).toEqual(['job j', '1', '2']);
		queue = advanced(queue, true, random) as Queue;
		expect(now(queue)).toBe('1');
		expect(coming(queue)).toEqual(['job j', '2']);
		queue = arrived(queue, 'j', song('new'));
		expect(now(advanced(queue, true, random) as Queue)).toBe('new');
	});

	it('is shown once, with its latest news', () => {
		let queue = awaited(awaited(of(1), job('j')), { ...job('j'), progress: 50 });
		expect(coming(queue)).toEqual(['job j']);
		queue = withJob(queue, { ...job('j'), progress: 70 });
		const entry = upcomingOf(queue)[0];
		expect(entry?.kind === 'import' && entry.job.progress).toBe(70);
	});

	it('can be all there is', () => {
		const queue = awaited(emptyQueue, job('j'));
		expect(currentOf(queue)).toBeNull();
		expect(coming(queue)).toEqual(['job j']);
		expect(advanced(queue, true, random)).toBeNull();
		expect(now(advanced(arrived(queue, 'j', song('new')), true, random) as Queue)).toBe('new');
	});

	it('stays to come when the last song before it is removed', () => {
		const queue = removedAt(awaited(of(2, 1), job('j')), 1);
		expect(currentOf(queue)).toBeNull();
		expect(coming(queue)).toEqual(['job j']);
	});
});

describe('50,000 songs', () => {
	it('changes without a pause that one would notice', () => {
		const many = songs(50_000);
		const begun = performance.now();
		let queue = replaced(emptyQueue, many, 25_000, false, random);
		queue = withShuffle(queue, true, random);
		queue = playedNext(queue, [song('x')]);
		queue = moved(queue, 40_000, 10);
		queue = removedAt(queue, 30_000);
		for (let i = 0; i < 1000; i++) queue = advanced(queue, false, random) as Queue;
		queue = withShuffle(queue, false, random);
		expect(queue.entries.length).toBe(50_000);
		expect(performance.now() - begun).toBeLessThan(1000);
	});
});
