/** uPlot in the colours of the page. */
import uPlot from 'uplot';
import { figure, tick, top, type Line, type Unit } from './line';

export interface Drawing {
	/** New values or another width; the same lines. */
	update: (at: readonly number[], lines: readonly Line[]) => void;
	end: () => void;
}

const HEIGHT = 180;
/** 1, 2, 5, 10, … */
const WHOLE_STEPS = Array.from({ length: 13 }, (_, power) =>
	[1, 2, 5].map((first) => first * 10 ** power)
).flat();

const token = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function seriesOf(line: Line): uPlot.Series {
	const color = () => token(line.color);
	const isBars = line.shape === 'bars';
	return {
		label: line.label,
		stroke: color,
		fill: isBars ? color : undefined,
		width: isBars ? 0 : 2,
		paths: isBars ? uPlot.paths.bars?.({ size: [0.7, 24] }) : undefined,
		points: { show: false }
	};
}

/** Bars stand on each other, so that none hides another. */
function dataOf(at: readonly number[], lines: readonly Line[]): uPlot.AlignedData {
	const stacked = lines.map((line, index) =>
		line.shape === 'bars' && index > 0
			? line.values.map((value, bucket) => value + (lines[index - 1]?.values[bucket] ?? 0))
			: [...line.values]
	);
	// The lower ones are drawn last, over the taller ones behind them.
	return [[...at], ...stacked.reverse()];
}

export function draw(
	place: HTMLElement,
	options: { unit: Unit; at: readonly number[]; lines: readonly Line[]; onpoint: (at: number | null) => void }
): Drawing {
	const { unit } = options;
	const still = { show: true, stroke: () => token('--line'), width: 1 };
	const plot = new uPlot(
		{
			width: Math.max(120, place.clientWidth),
			height: HEIGHT,
			padding: [12, 16, 0, 0],
			legend: { show: false },
			cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
			scales: { y: { range: (_, __, highest) => [0, top(highest ?? 0, unit)] } },
			series: [{}, ...[...options.lines].reverse().map(seriesOf)],
			axes: [
				{
					stroke: () => token('--text-faint'),
					font: `12px ${token('--font')}`,
					grid: { show: false },
					ticks: { ...still, size: 4 },
					size: 32,
					space: 72,
					values: (_, splits, __, ___, apart) => splits.map((seconds) => tick(seconds, apart))
				},
				{
					stroke: () => token('--text-faint'),
					font: `12px ${token('--font')}`,
					grid: still,
					ticks: { show: false },
					size: unit === 'bytes' ? 72 : 56,
					space: 36,
					// Nobody signs up by halves.
					incrs: unit === 'count' ? WHOLE_STEPS : undefined,
					values: (_, splits) => splits.map((value) => figure(unit, value))
				}
			],
			hooks: { setCursor: [(self) => options.onpoint(self.cursor.idx ?? null)] }
		},
		dataOf(options.at, options.lines),
		place
	);

	const redraw = () => plot.redraw(false, true);
	const resized = new ResizeObserver(() => {
		const width = Math.max(120, place.clientWidth);
		if (width !== plot.width) plot.setSize({ width, height: HEIGHT });
	});
	resized.observe(place);
	const themed = new MutationObserver(redraw);
	themed.observe(document.documentElement, { attributeFilter: ['data-theme'] });
	const system = window.matchMedia('(prefers-color-scheme: dark)');
	system.addEventListener('change', redraw);

	return {
		update: (at, lines) => plot.setData(dataOf(at, lines)),
		end() {
			resized.disconnect();
			themed.disconnect();
			system.removeEventListener('change', redraw);
			plot.destroy();
		}
	};
}
