import { describe, expect, it, vi } from 'vitest';
import { nextPlace, takeToken } from './next';

describe('the place after signing in', () => {
	it.each([
		['/library?q=a', '/library?q=a'],
		[null, '/'],
		['https://evil.example/', '/'],
		['//evil.example', '/'],
		['/\\evil.example', '/'],
		['javascript:alert(1)', '/'],
		['/\t/evil.example', '/'],
		['/signin?next=/signin', '/'],
		['/settings', '/settings']
	])('of %s is %s', (asked, place) => {
		expect(nextPlace(asked)).toBe(place);
	});
});

describe('the token of a link', () => {
	it('is taken out of the address, wherever it stands', () => {
		for (const address of ['http://a/verify#token=abc', 'http://a/verify?token=abc']) {
			const replace = vi.fn();
			expect(takeToken(new URL(address), replace)).toBe('abc');
			expect(replace).toHaveBeenCalledWith('/verify');
		}
	});

	it('may be missing', () => {
		expect(takeToken(new URL('http://a/verify'), vi.fn())).toBeNull();
	});
});
