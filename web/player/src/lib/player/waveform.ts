/** Draws a song's loudness along its length. Pure but for the canvas it is given. */

export interface WaveformColours {
	played: string;
	buffered: string;
	rest: string;
}

export interface WaveformPlace {
	/** Each 0 to 1. */
	played: number;
	buffered: number;
}

const BAR = 2;
const GAP = 1;
const LOWEST = 2;

/** As many bars as fit: the highest of the peaks that fall into each, 0 to 1, relative to the loudest. */
export function barsOf(peaks: readonly number[], count: number): number[] {
	if (peaks.length === 0 || count <= 0) return [];
	const loudest = peaks.reduce((most, peak) => Math.max(most, Math.abs(peak)), 0) || 1;
	return Array.from({ length: count }, (_, at) => {
		const from = Math.floor((at * peaks.length) / count);
		const to = Math.max(from + 1, Math.floor(((at + 1) * peaks.length) / count));
		let most = 0;
		for (let i = from; i < to; i++) most = Math.max(most, Math.abs(peaks[i] ?? 0));
		return most / loudest;
	});
}

export function drawWaveform(
	canvas: HTMLCanvasElement,
	peaks: readonly number[],
	{ played, buffered }: WaveformPlace,
	colours: WaveformColours
): void {
	const context = canvas.getContext('2d');
	const { clientWidth: width, clientHeight: height } = canvas;
	if (context === null || width === 0) return;
	const scale = window.devicePixelRatio || 1;
	canvas.width = Math.round(width * scale);
	canvas.height = Math.round(height * scale);
	context.scale(scale, scale);
	const bars = barsOf(peaks, Math.floor((width + GAP) / (BAR + GAP)));
	bars.forEach((level, at) => {
		const x = at * (BAR + GAP);
		const place = (x + BAR / 2) / width;
		const tall = Math.max(LOWEST, level * height);
		context.fillStyle =
			place <= played ? colours.played : place <= buffered ? colours.buffered : colours.rest;
		context.beginPath();
		context.roundRect(x, (height - tall) / 2, BAR, tall, BAR / 2);
		context.fill();
	});
}
