/** Figures and moments in the language of the page. */
import { formatBytes, formatDate } from '@songkeep/ui';
import { getLocale } from '$lib/paraglide/runtime';

/** In full: administrators compare them. */
export function count(value: number): string {
	return new Intl.NumberFormat(getLocale()).format(value);
}

export function bytes(value: number): string {
	return formatBytes(value, getLocale());
}

export function moment(iso: string): string {
	return formatDate(Date.parse(iso), getLocale());
}

/** `12 min`, `3 hr`: how long something takes, in its largest unit. */
export function span(seconds: number): string {
	const [value, unit] =
		seconds < 60
			? [seconds, 'second']
			: seconds < 3_600
				? [seconds / 60, 'minute']
				: seconds < 172_800
					? [seconds / 3_600, 'hour']
					: [seconds / 86_400, 'day'];
	const style = { style: 'unit', unit, unitDisplay: 'short', maximumFractionDigits: 0 } as const;
	return new Intl.NumberFormat(getLocale(), style).format(value);
}
