import { describe, expect, it } from 'vitest';
import { formatBytes, formatCount, formatDate, formatDuration } from './format';

describe('durations', () => {
	it('have minutes and two digits of seconds', () => {
		expect(formatDuration(185)).toBe('3:05');
		expect(formatDuration(0)).toBe('0:00');
		expect(formatDuration(59.9)).toBe('0:59');
	});

	it('have hours where there are some', () => {
		expect(formatDuration(3725)).toBe('1:02:05');
	});

	it('show a dash for what is not known', () => {
		expect(formatDuration(null)).toBe('–');
		expect(formatDuration(Number.NaN)).toBe('–');
		expect(formatDuration(-1)).toBe('–');
	});
});

describe('sizes', () => {
	it('use the largest unit that leaves a whole', () => {
		expect(formatBytes(3_210_000, 'en')).toBe('3.2 MB');
		expect(formatBytes(250_000_000_000, 'en')).toBe('250 GB');
		expect(formatBytes(12, 'en')).toBe('12 bytes');
	});
});

describe('counts', () => {
	it('are exact while they are short', () => {
		expect(formatCount(1204, 'en')).toBe('1,204');
		expect(formatCount(1204, 'de')).toBe('1.204');
	});

	it('are rounded when they are long', () => {
		expect(formatCount(12_345, 'en')).toBe('12.3K');
	});
});

describe('dates', () => {
	it('leave out the year that it is', () => {
		const now = Date.UTC(2026, 5, 1, 12);
		expect(formatDate(now, 'en', now)).not.toContain('2026');
		expect(formatDate(Date.UTC(2024, 5, 1, 12), 'en', now)).toContain('2024');
	});
});
