/** Quiet art for what has no cover: the same words make the same picture. */

export interface Art {
	/** Degrees of the two tones in OKLCH, from embers over plum to dusk. */
	hues: readonly [number, number];
	/** Heights of the bars between 0 and 1, as on a keep's battlement. */
	bars: readonly number[];
	/** Degrees by which the ground is turned. */
	angle: number;
}

/** 32 bits of FNV-1a over UTF-16 units: spread well enough for pictures. */
function hashOf(text: string): number {
	let hash = 0x811c9dc5;
	for (let at = 0; at < text.length; at += 1) {
		hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
	}
	return hash >>> 0;
}

/** Numbers in 0..1 from a hash, one after another (xorshift). */
function numbersFrom(seed: number): () => number {
	let state = seed || 1;
	return () => {
		state ^= state << 13;
		state ^= state >>> 17;
		state ^= state << 5;
		return (state >>> 0) / 2 ** 32;
	};
}

const BARS = 5;

export function artFor(seed: string): Art {
	const next = numbersFrom(hashOf(seed.normalize('NFC').toLowerCase()));
	// From the violet of the ground over rose to amber; greens would shout.
	const first = (285 + next() * 130) % 360;
	const second = (first + 18 + next() * 27) % 360;
	const bars = Array.from({ length: BARS }, () => 0.25 + next() * 0.6);
	return { hues: [first, second], bars, angle: Math.round(next() * 360) };
}
