import { describe, expect, it } from 'vitest';
import { byNewest, isStale, matches, stagesDone, tookMs, waitsForRetry } from './job';
import { jobOf } from './testing';

describe('jobs', () => {
	it('are sorted by time even where the server leaves out trailing zeros', () => {
		const jobs = ['12:00:00Z', '12:00:00.5Z', '12:00:00.49Z', '12:00:00.500001Z'].map((time, at) =>
			jobOf({ id: String(at), created_at: `2026-03-01T${time}` })
		);
		expect(jobs.sort(byNewest).map(({ id }) => id)).toEqual(['3', '1', '2', '0']);
	});

	it('of the same moment are sorted by id', () => {
		const jobs = ['a', 'c', 'b'].map((id) => jobOf({ id }));
		expect(jobs.sort(byNewest).map(({ id }) => id)).toEqual(['c', 'b', 'a']);
	});

	it('are stale when something newer is known', () => {
		const known = jobOf({ updated_at: '2026-03-01T12:00:00.5Z' });
		expect(isStale(jobOf({ updated_at: '2026-03-01T12:00:00.49Z' }), known)).toBe(true);
		expect(isStale(known, known)).toBe(false);
	});

	it('go through five stages', () => {
		const stages = [
			'queued',
			'preparing tools',
			'resolve',
			'download',
			'process',
			'store',
			'publish',
			'done'
		];
		expect(stages.map((stage) => stagesDone(jobOf({ stage })))).toEqual([0, 0, 0, 1, 2, 3, 4, 5]);
		expect(stagesDone(jobOf({ stage: 'something new' }))).toBeNull();
	});

	it('that wait for another attempt count as under way', () => {
		const job = jobOf({ status: 'queued', failure_code: 'rate_limited' });
		expect(waitsForRetry(job)).toBe(true);
		expect(matches(job, 'active')).toBe(true);
		expect(matches(job, 'failed')).toBe(false);
	});

	it('stop counting the time when they are over', () => {
		const times = { created_at: '2026-03-01T12:00:00Z', updated_at: '2026-03-01T12:00:20Z' };
		const now = Date.parse('2026-03-01T12:05:00Z');
		expect(tookMs(jobOf({ ...times, status: 'completed' }), now)).toBe(20_000);
		expect(tookMs(jobOf({ ...times, status: 'processing' }), now)).toBe(300_000);
	});
});
