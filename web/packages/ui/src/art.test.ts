import { describe, expect, it } from 'vitest';
import { artFor } from './art';

describe('art for what has no cover', () => {
	it('is the same for the same words', () => {
		expect(artFor('Lune · Paper Keeper')).toEqual(artFor('lune · paper keeper'));
	});

	it('differs between songs', () => {
		expect(artFor('One')).not.toEqual(artFor('Two'));
	});

	it('stays out of the greens and cold blues', () => {
		for (let number = 0; number < 500; number += 1) {
			for (const hue of artFor(`song ${number}`).hues) {
				expect(hue >= 280 || hue <= 100).toBe(true);
			}
		}
	});

	it('draws bars that stand on the ground and do not reach the top', () => {
		for (const bar of artFor('').bars) {
			expect(bar).toBeGreaterThan(0);
			expect(bar).toBeLessThan(0.9);
		}
	});
});
