/** Figures as people read them. Locales are BCP 47 tags. */

/** `3:05`, `1:02:05`; an unknown length is an en dash. */
export function formatDuration(seconds: number | null | undefined): string {
	if (seconds == null || !Number.isFinite(seconds) || seconds < 0) return '–';
	const whole = Math.floor(seconds);
	const hours = Math.floor(whole / 3600);
	const minutes = Math.floor((whole % 3600) / 60);
	const rest = String(whole % 60).padStart(2, '0');
	return hours > 0 ? `${hours}:${String(minutes).padStart(2, '0')}:${rest}` : `${minutes}:${rest}`;
}

/** `3.2 MB`, in powers of ten as disks are sold. */
export function formatBytes(bytes: number, locale?: string): string {
	const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'] as const;
	let value = Math.max(0, bytes);
	let step = 0;
	while (value >= 1000 && step < units.length - 1) {
		value /= 1000;
		step += 1;
	}
	const digits = step > 0 && value < 100 ? 1 : 0;
	return new Intl.NumberFormat(locale, {
		style: 'unit',
		unit: units[step],
		unitDisplay: step === 0 ? 'long' : 'short',
		maximumFractionDigits: digits
	}).format(value);
}

/** `1,204`; from 10,000 on `12K`. */
export function formatCount(count: number, locale?: string): string {
	const compact = Math.abs(count) >= 10_000;
	return new Intl.NumberFormat(locale, {
		notation: compact ? 'compact' : 'standard',
		maximumFractionDigits: compact ? 1 : 0
	}).format(count);
}

/** Day and time of a moment in milliseconds since 1970; the year only when it is another one. */
export function formatDate(ms: number, locale?: string, now = Date.now()): string {
	const sameYear = new Date(ms).getFullYear() === new Date(now).getFullYear();
	return new Intl.DateTimeFormat(locale, {
		day: 'numeric',
		month: 'short',
		year: sameYear ? undefined : 'numeric',
		hour: '2-digit',
		minute: '2-digit'
	}).format(ms);
}
