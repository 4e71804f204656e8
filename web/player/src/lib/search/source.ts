/** What the one button of a row does, for whatever stands behind the row. Pure. */
import type { components } from '@songkeep/api-client';
import { isLive, sourceKey, type Job } from '$lib/imports/job';

export type Song = components['schemas']['Song'];
export type Candidate = components['schemas']['Candidate'];

export type RowState =
	| { readonly kind: 'import' }
	| { readonly kind: 'starting' }
	| { readonly kind: 'importing'; readonly job: Job; readonly cancelling: boolean }
	| { readonly kind: 'failed'; readonly job: Job }
	| { readonly kind: 'play'; readonly songId: string };

/** What `Imports` knows, as far as a row needs it. */
export interface KnownImports {
	bySource(provider: string, id: string): Job | undefined;
	isStarting(provider: string, id: string): boolean;
	isCancelling(jobId: string): boolean;
	arrivedFrom(provider: string, id: string): string | undefined;
	isGone(songId: string): boolean;
}

/**
 * An answer of the search says what was in the library when it was given; events since then say more. A
 * `completed` job alone proves nothing: its song may have been taken out again.
 */
export function rowState(candidate: Candidate, imports: KnownImports): RowState {
	const { source_provider: provider, source_id: id } = candidate;
	const owned = candidate.in_library ? candidate.song_id : null;
	const songId = imports.arrivedFrom(provider, id) ?? owned;
	if (songId && !imports.isGone(songId)) return { kind: 'play', songId };
	const job = imports.bySource(provider, id);
	if (job && isLive(job)) return { kind: 'importing', job, cancelling: imports.isCancelling(job.id) };
	if (imports.isStarting(provider, id)) return { kind: 'starting' };
	if (job?.status === 'failed') return { kind: 'failed', job };
	return { kind: 'import' };
}

/** Who made it, in one line. */
export function byline(candidate: Candidate): string {
	if (candidate.artists.length > 0) return candidate.artists.join(', ');
	return candidate.channel ?? '';
}

/** Enough of a song to play it, for one whose entry has not been read. */
export function songFrom(candidate: Candidate, songId: string): Song {
	return {
		id: songId,
		title: candidate.title,
		artist: byline(candidate) || null,
		album: candidate.album ?? null,
		duration_sec: candidate.duration_sec ?? 0,
		source_provider: candidate.source_provider,
		source_id: candidate.source_id,
		source_channel: candidate.channel ?? null,
		codec: '',
		bitrate_kbps: 0,
		loudness_lufs: null,
		cover_url: null,
		added_at: new Date().toISOString()
	};
}

/** A recording of which only the address is known. */
export function nameless(provider: string, id: string, title: string): Candidate {
	return {
		source_provider: provider,
		source_id: id,
		title,
		artists: [],
		reasons: [],
		confidence_score: 1,
		thumbnail_url: '',
		in_library: false
	};
}

/** The recordings that none of the songs came from. */
export function without(candidates: readonly Candidate[], songs: readonly Song[]): Candidate[] {
	const owned = new Set(songs.map((song) => sourceKey(song.source_provider, song.source_id)));
	return candidates.filter((row) => !owned.has(sourceKey(row.source_provider, row.source_id)));
}
