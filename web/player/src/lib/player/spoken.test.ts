import { expect, it } from 'vitest';
import { spokenTime } from './spoken';

it('speaks times in the language of the page', () => {
	expect(spokenTime(65, 'en')).toBe('1 minute, 5 seconds');
	expect(spokenTime(3600, 'en')).toBe('1 hour');
	expect(spokenTime(0, 'de')).toBe('0 Sekunden');
	expect(spokenTime(NaN, 'en')).toBe('0 seconds');
});
