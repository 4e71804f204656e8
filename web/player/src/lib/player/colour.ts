/**
 * The colour of the room around a cover: its strongest hue, with lightness and strength left to the theme so
 * that words stay readable on it.
 */

export interface Tint {
	/** Degrees in OKLCH. */
	hue: number;
	/** 0 for a cover without colour, 1 for a vivid one. */
	strength: number;
}

const BUCKETS = 24;
const VIVID = 0.14;

const linear = (channel: number): number => {
	const c = channel / 255;
	return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
};

/** sRGB bytes as OKLab's lightness, green–red and blue–yellow. */
export function oklab(red: number, green: number, blue: number): [number, number, number] {
	const [r, g, b] = [linear(red), linear(green), linear(blue)];
	const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
	const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
	const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
	return [
		0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
		1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
		0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s
	];
}

/** The hue that most of the picture's colour has, from RGBA bytes. */
export function tintOf(pixels: ArrayLike<number>): Tint {
	const weights = new Float64Array(BUCKETS);
	const [as, bs] = [new Float64Array(BUCKETS), new Float64Array(BUCKETS)];
	let total = 0;
	for (let at = 0; at + 3 < pixels.length; at += 4) {
		const [light, a, b] = oklab(pixels[at] ?? 0, pixels[at + 1] ?? 0, pixels[at + 2] ?? 0);
		total++;
		// Hardly any colour is seen in what is nearly black or white.
		if (light < 0.12 || light > 0.97) continue;
		const chroma = Math.hypot(a, b);
		const turn = (Math.atan2(b, a) / (2 * Math.PI) + 1) % 1;
		const bucket = Math.floor(turn * BUCKETS) % BUCKETS;
		weights[bucket] = (weights[bucket] ?? 0) + chroma * chroma;
		as[bucket] = (as[bucket] ?? 0) + a * chroma;
		bs[bucket] = (bs[bucket] ?? 0) + b * chroma;
	}
	let best = 0;
	for (let i = 1; i < BUCKETS; i++) if ((weights[i] ?? 0) > (weights[best] ?? 0)) best = i;
	const hue = ((Math.atan2(bs[best] ?? 0, as[best] ?? 0) * 180) / Math.PI + 360) % 360;
	const strength = total === 0 ? 0 : Math.min(1, Math.sqrt((weights[best] ?? 0) / total) / VIVID);
	return { hue, strength };
}

const SIDE = 24;

/** Null when the picture cannot be loaded or read. */
export async function tintOfCover(src: string): Promise<Tint | null> {
	const image = new Image();
	image.crossOrigin = 'anonymous';
	image.src = src;
	try {
		await image.decode();
		const canvas = document.createElement('canvas');
		canvas.width = canvas.height = SIDE;
		const context = canvas.getContext('2d', { willReadFrequently: true });
		if (context === null) return null;
		context.drawImage(image, 0, 0, SIDE, SIDE);
		return tintOf(context.getImageData(0, 0, SIDE, SIDE).data);
	} catch {
		return null;
	}
}
