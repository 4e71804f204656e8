import { expect, test } from 'vitest';
import { times, top } from './line';

test('buckets follow each other from where the first begins', () => {
	expect(times('1970-01-01T00:15:00Z', 900, 3)).toEqual([900, 1800, 2700]);
});

test('an axis leaves room above its line, also above an empty one', () => {
	expect(top(0, 'count')).toBe(4);
	expect(top(100, 'count')).toBeCloseTo(110);
	expect(top(0, 'bytes')).toBe(1_000_000);
});
