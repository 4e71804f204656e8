/** The heights of the bars that draw the keep, from left to right. */

interface Part {
	bars: number;
	height: number;
}

const PARTS: readonly Part[] = [
	{ bars: 4, height: 52 },
	{ bars: 7, height: 118 },
	{ bars: 7, height: 66 },
	{ bars: 11, height: 172 },
	{ bars: 7, height: 74 },
	{ bars: 7, height: 132 },
	{ bars: 5, height: 46 }
];
const CRENEL = 18;
/** So that it is heard as well as seen. */
const BEAT = [0, 3, -2, 4, -3, 1, 2, -2];

export const KEEP: readonly number[] = PARTS.flatMap(({ bars, height }) =>
	Array.from({ length: bars }, (_, at) => height - (at % 2 === 1 ? CRENEL : 0))
).map((height, at) => height + (BEAT[at % BEAT.length] ?? 0));
