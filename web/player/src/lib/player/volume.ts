/** How loud: from the slider's place and a song's measured loudness to a media element's volume. */

/** Where levelled songs meet (EBU R 128, LUFS), as the large services do. */
export const TARGET_LUFS = -14;

/**
 * A media element can only make a song quieter. So that a quiet song can be raised against the others,
 * levelling first lowers everything by this much, and a song at the target is played this far below full
 * scale. Songs down to `TARGET_LUFS + PRE_GAIN_DB` then come out equally loud; quieter ones are played as
 * loud as they are.
 */
export const PRE_GAIN_DB = -5;

export const clamp = (value: number, low: number, high: number): number =>
	Math.min(high, Math.max(low, value));

export const fromDecibel = (db: number): number => 10 ** (db / 20);

/**
 * Hearing is roughly logarithmic: on a straight slider all the change is in its last quarter. The cube is
 * close to a 60 dB logarithmic fader, and reaches silence.
 */
export const perceptual = (position: number): number => clamp(position, 0, 1) ** 3;

/**
 * The factor for a song while levelling is on, 0..1. A song that has not been measured is taken to be at the
 * target, so that it does not stand out of its neighbours by the pre-gain.
 */
export function levelGain(loudness: number | null | undefined, levelling: boolean): number {
	if (!levelling) return 1;
	const correction = typeof loudness === 'number' && Number.isFinite(loudness) ? TARGET_LUFS - loudness : 0;
	return clamp(fromDecibel(correction + PRE_GAIN_DB), 0, 1);
}

/** Equal power: the sum of both stays as loud as each. `at` runs from 0 to 1. */
export const fadeInCurve = (at: number): number => Math.sin((clamp(at, 0, 1) * Math.PI) / 2);
