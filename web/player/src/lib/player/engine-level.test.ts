import { describe, expect, it } from 'vitest';
import { track } from './testing';
import { player, playing } from './testing-engine';

describe('loudness', () => {
	it('hears half of the slider as much less than half of the level', async () => {
		const { engine, on } = await playing();
		engine.setVolume(0.5, false);
		expect(on('a').volume).toBeCloseTo(0.125, 3);
		engine.setVolume(0, false);
		expect(on('a').volume).toBe(0);
	});

	it('plays loud and quiet songs alike, and never above full scale', async () => {
		const levels: number[] = [];
		for (const loudness of [-8, -14, -19, -40]) {
			const { engine, clock, on } = player();
			engine.setLevelling(true);
			engine.setVolume(1, false);
			engine.load(track('a', 100, loudness));
			await clock.pass(1);
			levels.push(20 * Math.log10(on('a').volume) + loudness);
			expect(on('a').volume).toBeLessThanOrEqual(1);
		}
		expect(levels[0]).toBeCloseTo(levels[1] as number, 1);
		expect(levels[2]).toBeCloseTo(levels[1] as number, 1);
	});
});

describe('falling asleep', () => {
	it('stops at the end of the song when this is to be the last', async () => {
		const { engine, clock, told, sounding, now } = await playing('a', track('b'));
		engine.setStopAfter(true);
		await clock.pass(105);
		expect(sounding()).toEqual([]);
		expect(told).toEqual(['finished']);
		expect(now()?.playing).toBe(false);
	});

	it('becomes quieter and then pauses', async () => {
		const { engine, clock, on, sounding } = await playing();
		engine.setVolume(1, false);
		let asleep = false;
		engine.fadeToPause(8000, () => (asleep = true));
		await clock.pass(4);
		expect(on('a').volume).toBeLessThan(0.8);
		expect(asleep).toBe(false);
		await clock.pass(5);
		expect(asleep).toBe(true);
		expect(sounding()).toEqual([]);
		engine.resume();
		await clock.pass(1);
		expect(on('a').volume).toBeCloseTo(1, 2);
	});

	it('does not pause when the listener does something meanwhile', async () => {
		const { engine, clock, sounding } = await playing();
		let asleep = false;
		engine.fadeToPause(8000, () => (asleep = true));
		await clock.pass(4);
		engine.wake();
		await clock.pass(10);
		expect(asleep).toBe(false);
		expect(sounding()).toEqual(['a']);
	});
});
