/** Rows and an API for tests of the search. */
import type { Api } from '$lib/api';
import type { EventData, EventKind } from '$lib/events';
import type { Candidate } from './source';

export function candidateOf(fields: Partial<Candidate> = {}): Candidate {
	return {
		source_provider: 'youtube',
		source_id: 'dQw4w9WgXcQ',
		title: 'Never Gonna Give You Up',
		channel: 'Rick Astley',
		duration_sec: 213,
		confidence_score: 0.9,
		reasons: [],
		thumbnail_url: 'http://localhost/thumbnail',
		view_count: 1_000,
		song_id: null,
		in_library: false,
		artists: ['Rick Astley'],
		album: null,
		...fields
	};
}

export interface Call {
	readonly path: string;
	readonly query: Record<string, unknown>;
	readonly signal: AbortSignal | undefined;
	answer(data: unknown): void;
	refuse(error: unknown): void;
}

/** A client whose calls wait until the test answers them. */
export function waitingApi() {
	const calls: Call[] = [];
	const get = (path: string, options: { params: { query: Record<string, unknown> }; signal?: AbortSignal }) =>
		new Promise((resolve, reject) => {
			const { signal } = options;
			signal?.addEventListener('abort', () => reject(new DOMException('given up', 'AbortError')));
			calls.push({
				path,
				query: options.params.query,
				signal,
				answer: (data) => resolve({ data, response: new Response() }),
				refuse: (error) => resolve({ error, response: new Response(null, { status: 503 }) })
			});
		});
	return { api: { GET: get } as unknown as Api, calls };
}

export function fakeEvents() {
	const listeners = new Map<EventKind, (data: never) => void>();
	return {
		on<K extends EventKind>(kind: K, run: (data: EventData[K]) => void) {
			listeners.set(kind, run as (data: never) => void);
			return () => void listeners.delete(kind);
		},
		say<K extends EventKind>(kind: K, data: EventData[K]) {
			listeners.get(kind)?.(data as never);
		}
	};
}
