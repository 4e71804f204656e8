/** Jobs and songs for tests. */
import type { components } from '@songkeep/api-client';
import type { Job } from './job';

export function jobOf(fields: Partial<Job> = {}): Job {
	return {
		id: '01920000-0000-7000-8000-000000000001',
		user_id: '01920000-0000-7000-8000-0000000000aa',
		source_provider: 'youtube',
		source_id: 'dQw4w9WgXcQ',
		title: 'Never Gonna Give You Up',
		status: 'queued',
		stage: 'queued',
		progress: 0,
		attempt: 0,
		failure_code: null,
		failure_reason: null,
		song_id: null,
		created_at: '2026-03-01T12:00:00Z',
		updated_at: '2026-03-01T12:00:00Z',
		...fields
	};
}

export function songOf(fields: Partial<components['schemas']['Song']> = {}): components['schemas']['Song'] {
	return {
		id: '01920000-0000-7000-8000-0000000000f1',
		title: 'Never Gonna Give You Up',
		artist: 'Rick Astley',
		album: null,
		duration_sec: 213,
		source_provider: 'youtube',
		source_id: 'dQw4w9WgXcQ',
		source_channel: 'Rick Astley',
		codec: 'opus',
		bitrate_kbps: 128,
		loudness_lufs: -14,
		cover_url: null,
		added_at: '2026-03-01T12:00:10Z',
		...fields
	};
}
