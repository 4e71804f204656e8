import { describe, expect, it } from 'vitest';
import { setLocale } from '$lib/paraglide/runtime';
import { reasonOf } from './reasons';

describe('reasonOf', () => {
	it('says the reasons in the language of the listener', () => {
		void setLocale('de', { reload: false });
		expect(reasonOf('title and artist match').text).toBe('Titel und Interpret passen');
		expect(reasonOf('live version, which you did not ask for').text).toBe(
			'Live-Fassung, danach hast du nicht gesucht'
		);
		expect(reasonOf('slowed version, as you asked').text).toBe('Verlangsamte Fassung, wie gesucht');
		expect(reasonOf('not an acoustic version, which you asked for').text).toBe(
			'Du suchst eine andere Fassung: Akustikfassung'
		);
		void setLocale('en', { reload: false });
		expect(reasonOf('live version, which you did not ask for').text).toBe(
			'Live version, which you did not ask for'
		);
	});

	it('shows a reason that it does not know as it came', () => {
		expect(reasonOf('sung by a choir of seals').text).toBe('Sung by a choir of seals');
	});

	it('tells what speaks against a row from what speaks for it', () => {
		for (const phrase of [
			'much longer than the others',
			'cover, which you did not ask for',
			'few of your words occur'
		]) {
			expect(reasonOf(phrase).isAgainst).toBe(true);
		}
		for (const phrase of ['official audio', 'remix, as you asked', 'usual length']) {
			expect(reasonOf(phrase).isAgainst).toBe(false);
		}
	});
});
