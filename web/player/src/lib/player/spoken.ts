/** Times as they are spoken: "1 minute, 5 seconds". */
export function spokenTime(seconds: number, locale: string): string {
	const whole = Math.max(0, Math.round(Number.isFinite(seconds) ? seconds : 0));
	const parts: [number, 'hour' | 'minute' | 'second'][] = [
		[Math.floor(whole / 3600), 'hour'],
		[Math.floor((whole % 3600) / 60), 'minute'],
		[whole % 60, 'second']
	];
	const named = parts.filter(([count], i) => count > 0 || (i === 2 && whole === 0));
	const words = named.map(([count, unit]) =>
		new Intl.NumberFormat(locale, { style: 'unit', unit, unitDisplay: 'long' }).format(count)
	);
	return new Intl.ListFormat(locale, { type: 'unit', style: 'long' }).format(words);
}
