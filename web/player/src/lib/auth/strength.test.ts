import { describe, expect, it } from 'vitest';
import { missingChars, strengthOf } from './strength';

describe('the strength of a password', () => {
	it.each([
		['seven77', 'short'],
		['12345678', 'weak'],
		['aaaaaaaaaaaaaaaa', 'weak'],
		['qwertyuiop', 'weak'],
		['Password1', 'weak'],
		['x7#mQ2!k', 'fair'],
		['correct horse battery', 'good'],
		['wind über den dächern', 'good']
	])('of %s is %s', (password, strength) => {
		expect(strengthOf(password)).toBe(strength);
	});

	it('is less when the address is in it', () => {
		expect(strengthOf('ada.lovelace-7', 'ada.lovelace@example.com')).toBe('weak');
	});

	it('counts characters as people do', () => {
		expect(missingChars('🎵🎵🎵')).toBe(5);
		expect(missingChars('long enough')).toBe(0);
	});
});
