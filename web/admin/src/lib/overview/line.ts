/** What a plot shows, and how its axes speak. */
import { count, bytes } from '$lib/figures';
import { getLocale } from '$lib/paraglide/runtime';

export interface Line {
	label: string;
	/** A variable of tokens.css. */
	color: '--accent' | '--bad' | '--good';
	values: readonly number[];
	shape: 'line' | 'bars';
}

export type Unit = 'count' | 'bytes';

export function figure(unit: Unit, value: number): string {
	return unit === 'bytes' ? bytes(value) : count(value);
}

/** Seconds since 1970 of each bucket's beginning. */
export function times(from: string, bucketSeconds: number, length: number): number[] {
	const start = Date.parse(from) / 1_000;
	return Array.from({ length }, (_, at) => start + at * bucketSeconds);
}

/** The word at a tick of the time axis: a day where ticks are days apart, else the time of day. */
export function tick(seconds: number, apart: number): string {
	const date = new Date(seconds * 1_000);
	const options: Intl.DateTimeFormatOptions =
		apart >= 86_400 ? { day: 'numeric', month: 'short' } : { hour: '2-digit', minute: '2-digit' };
	return new Intl.DateTimeFormat(getLocale(), options).format(date);
}

/** The top of an axis that starts at nothing: also a flat line has room above it. */
export function top(highest: number, unit: Unit): number {
	const least = unit === 'bytes' ? 1_000_000 : 4;
	return Math.max(least, highest * 1.1);
}
