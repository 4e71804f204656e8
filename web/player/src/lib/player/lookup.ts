/** What the player asks the server. */
import type { Api, Model } from '@songkeep/api-client';
import { problemOf } from '$lib/api';
import { SourceProblem, type FindSource } from './source';
import type { Job, Song } from './queue';

/** An answer that takes longer is worth asking for again. */
const PATIENCE_MS = 15_000;
/** A song that has just come in is among the newest. */
const NEWEST = 50;

export type Reader = Pick<Api, 'GET'>;

export function sourceFinder(api: Reader): FindSource {
	return async (songId) => {
		const answer = await api
			.GET('/stream/{song_id}', {
				params: { path: { song_id: songId } },
				cache: 'no-store',
				signal: AbortSignal.timeout(PATIENCE_MS)
			})
			.catch(() => null);
		if (answer === null) throw new SourceProblem('unreachable');
		if (answer.data) return { url: answer.data.stream_url, expiresIn: answer.data.expires_in };
		if (answer.response.status === 404) throw new SourceProblem('gone');
		throw new SourceProblem('unreachable', problemOf(answer.error).retryAfter);
	};
}

async function songsOf(api: Reader, query: { q?: string; limit: number }): Promise<Model<'Song'>[]> {
	const answer = await api.GET('/library', { params: { query } }).catch(() => null);
	return answer?.data?.songs ?? [];
}

/** The song as the library has it now; null when it is not there or cannot be asked for. */
export async function findSong(api: Reader, id: string, title: string): Promise<Song | null> {
	const isIt = (song: Song) => song.id === id;
	const named = await songsOf(api, { q: title, limit: NEWEST });
	return named.find(isIt) ?? (await songsOf(api, { limit: NEWEST })).find(isIt) ?? null;
}

/** The song that a finished job has brought. Its address is all that playing needs; the words may follow. */
export async function songOfJob(api: Reader, job: Job, id: string): Promise<Song> {
	const newest = await songsOf(api, { limit: NEWEST });
	const known = newest.find((song) => song.id === id) ?? (await findSong(api, id, job.title));
	return (
		known ?? {
			id,
			title: job.title,
			artist: null,
			album: null,
			duration_sec: 0,
			source_provider: job.source_provider,
			source_id: job.source_id,
			source_channel: null,
			codec: '',
			bitrate_kbps: 0,
			loudness_lufs: null,
			cover_url: null,
			added_at: job.updated_at
		}
	);
}
