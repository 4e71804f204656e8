import { describe, expect, it } from 'vitest';
import { oklab, tintOf } from './colour';

const pixels = (...colours: [number, number, number][]) => colours.flatMap((colour) => [...colour, 255]);

describe('the colour of a cover', () => {
	it('is the hue that most of it has', () => {
		const red = tintOf(pixels([200, 30, 30], [190, 40, 35], [210, 30, 20], [30, 30, 200]));
		expect(red.hue).toBeGreaterThan(10);
		expect(red.hue).toBeLessThan(45);
		expect(red.strength).toBeGreaterThan(0.8);
	});

	it('is weak for a grey one, and for black and white', () => {
		expect(tintOf(pixels([128, 128, 128], [90, 90, 90])).strength).toBeLessThan(0.05);
		expect(tintOf(pixels([0, 0, 0], [255, 255, 255])).strength).toBe(0);
		expect(tintOf([]).strength).toBe(0);
	});

	it('measures white as the lightest and without colour', () => {
		const [light, a, b] = oklab(255, 255, 255);
		expect(light).toBeCloseTo(1, 3);
		expect(Math.hypot(a, b)).toBeLessThan(0.001);
	});
});
