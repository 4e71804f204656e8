import { describe, expect, it } from 'vitest';
import { barsOf } from './waveform';

describe('the bars of a waveform', () => {
	it('are the highest peaks of their stretch, against the loudest of the song', () => {
		expect(barsOf([0.1, 0.5, -0.25, 0], 2)).toEqual([1, 0.5]);
	});

	it('repeat peaks when there are more bars than peaks', () => {
		expect(barsOf([1, 0.5], 4)).toEqual([1, 1, 0.5, 0.5]);
	});

	it('are flat for silence, and none for nothing', () => {
		expect(barsOf([0, 0], 2)).toEqual([0, 0]);
		expect(barsOf([], 5)).toEqual([]);
		expect(barsOf([1], 0)).toEqual([]);
	});
});
