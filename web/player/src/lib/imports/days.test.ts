import { describe, expect, it } from 'vitest';
import { byDay, daysAgo, formatSpan, startOfDay } from './days';
import { jobOf } from './testing';

describe('days', () => {
	it('group jobs and keep their order', () => {
		const local = (day: number, hour: number) => new Date(2026, 2, day, hour).toISOString();
		const jobs = [local(3, 0), local(2, 23), local(2, 1), local(1, 12)].map((created_at, at) =>
			jobOf({ id: String(at), created_at })
		);
		expect(byDay(jobs).map((day) => day.jobs.map(({ id }) => id))).toEqual([['0'], ['1', '2'], ['3']]);
	});

	it('count nights, not hours', () => {
		const now = new Date(2026, 2, 30, 0, 5).getTime();
		expect(daysAgo(startOfDay(now), now)).toBe(0);
		expect(daysAgo(startOfDay(new Date(2026, 2, 29, 23, 55).getTime()), now)).toBe(1);
		expect(daysAgo(startOfDay(new Date(2026, 2, 28, 12).getTime()), now)).toBe(2);
	});
});

describe('formatSpan', () => {
	it.each([
		[400, '0 sec'],
		[42_000, '42 sec'],
		[83_000, '1 min 23 sec'],
		[3_720_000, '1 hr 2 min'],
		[200_000_000, '2 days']
	])('says %i ms as "%s"', (ms, text) => {
		expect(formatSpan(ms, 'en')).toBe(text);
	});
});
