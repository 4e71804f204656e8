/** Jobs by the day on which they were asked for. Pure. */
import type { Job } from './job';

export interface Day {
	/** The day's first moment here, in milliseconds since 1970. */
	readonly start: number;
	readonly jobs: readonly Job[];
}

/** Keeps the order. */
export function byDay(jobs: readonly Job[]): Day[] {
	const days: { start: number; jobs: Job[] }[] = [];
	for (const job of jobs) {
		const start = startOfDay(Date.parse(job.created_at));
		const last = days.at(-1);
		if (last?.start === start) last.jobs.push(job);
		else days.push({ start, jobs: [job] });
	}
	return days;
}

/** 0 for today, 1 for yesterday. Days are not all 24 hours long. */
export function daysAgo(start: number, now: number): number {
	return Math.round((startOfDay(now) - start) / 86_400_000);
}

export function startOfDay(ms: number): number {
	return new Date(ms).setHours(0, 0, 0, 0);
}

/** A length of time as people say it, from seconds to days. */
export function formatSpan(ms: number, locale: string): string {
	const seconds = Math.round(ms / 1_000);
	const unit = (value: number, name: string) =>
		new Intl.NumberFormat(locale, { style: 'unit', unit: name, unitDisplay: 'short' }).format(value);
	if (seconds < 60) return unit(seconds, 'second');
	const minutes = Math.floor(seconds / 60);
	if (minutes < 60) return `${unit(minutes, 'minute')} ${unit(seconds % 60, 'second')}`;
	const hours = Math.floor(minutes / 60);
	if (hours < 24) return `${unit(hours, 'hour')} ${unit(minutes % 60, 'minute')}`;
	return unit(Math.floor(hours / 24), 'day');
}

/** Hour and minute; the day stands above. */
export function formatTime(ms: number, locale: string): string {
	return new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit' }).format(ms);
}
