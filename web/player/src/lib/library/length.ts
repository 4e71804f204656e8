import { m } from '$lib/paraglide/messages';

/** The length of many songs in words: `42 min`, `3 h 5 min`. */
export function lengthWords(seconds: number): string {
	const minutes = Math.max(1, Math.round(seconds / 60));
	const hours = Math.floor(minutes / 60);
	return hours > 0 ? m.library_hours({ hours, minutes: minutes % 60 }) : m.library_minutes({ minutes });
}
