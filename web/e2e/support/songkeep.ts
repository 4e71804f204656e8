/** A Songkeep of a test's own: the real binary on an empty data folder, in front of the stand-in for YouTube. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { binary, freePort, Program, ROOT } from './process.ts';

export const PASSWORD = 'correct horse battery';

export interface YouTube {
	proxy: string;
	ca: string;
	end(): Promise<void>;
}

export async function startYouTube(): Promise<YouTube> {
	const program = new Program(binary('fake-youtube'), ['--port', '0', '--copies', '40'], {});
	const [, proxy = '', ca = ''] = await program.says(
		/IMPORT_UPSTREAM_PROXY=(\S+) IMPORT_CA_FILE=(\S+)/,
		90_000
	);
	return { proxy, ca, end: () => program.end('SIGINT') };
}

export class Songkeep {
	readonly data = mkdtempSync(join(tmpdir(), 'songkeep-e2e-'));
	#youtube: YouTube;
	#extra: Record<string, string>;
	#ports: { web: number; gateway: number; stream: number; internal: number } | null = null;
	#program: Program | null = null;

	constructor(youtube: YouTube, extra: Record<string, string> = {}) {
		this.#youtube = youtube;
		this.#extra = extra;
	}

	get url(): string {
		return `http://localhost:${this.#ports?.web}`;
	}

	/** Starts it; after `stop` again on the same ports and data. */
	async start(): Promise<void> {
		this.#ports ??= {
			web: await freePort(),
			gateway: await freePort(),
			stream: await freePort(),
			internal: await freePort()
		};
		const { web, gateway, stream, internal } = this.#ports;
		const host = this.#extra.E2E_HOST ?? '127.0.0.1';
		this.#program = new Program(binary('songkeep'), ['serve'], {
			APP_ENV: 'test',
			LOG_LEVEL: 'warn,songkeep_mail=info',
			SONGKEEP_DATA_DIR: this.data,
			SONGKEEP_WEB_ADDR: `${host}:${web}`,
			SONGKEEP_GATEWAY_ADDR: `127.0.0.1:${gateway}`,
			SONGKEEP_STREAM_ADDR: `127.0.0.1:${stream}`,
			SONGKEEP_INTERNAL_ADDR: `127.0.0.1:${internal}`,
			PUBLIC_WEB_URL: `http://localhost:${web}`,
			TOOLS_DIR: process.env.SONGKEEP_TEST_TOOLS_DIR ?? `${ROOT}target/test-tools`,
			IMPORT_UPSTREAM_PROXY: this.#youtube.proxy,
			IMPORT_CA_FILE: this.#youtube.ca,
			PASSWORD_HASH_MEMORY_KIB: '64',
			PASSWORD_HASH_ITERATIONS: '1',
			JOB_RETRY_BASE_SECONDS: '1',
			RATE_LIMIT_SEARCH_PER_MIN: '10000',
			RATE_LIMIT_SIGNIN_IP_PER_MIN: '1000',
			...this.#extra
		});
		await this.#program.says(/Songkeep is ready/);
	}

	/** The one-time link that makes the administrator, as the server prints it. */
	async setupLink(): Promise<string> {
		const [, link = ''] = (await this.#program?.says(/(http\S+setup\S*)/)) ?? [];
		return link;
	}

	/** Waits until the server has logged something. */
	async says(words: RegExp): Promise<RegExpExecArray> {
		if (!this.#program) throw new Error('it does not run');
		return this.#program.says(words, 20_000);
	}

	get output(): string {
		return this.#program?.output ?? '';
	}

	async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
		await this.#program?.end(signal);
		this.#program = null;
	}

	async end(): Promise<void> {
		await this.stop();
		rmSync(this.data, { recursive: true, force: true });
	}

	/** A call of the API, as an app of somebody else would make it. */
	async call<Answer = Record<string, unknown>>(
		method: string,
		path: string,
		{ body, token }: { body?: unknown; token?: string } = {}
	): Promise<Answer> {
		const headers: Record<string, string> = {};
		if (body !== undefined) headers['Content-Type'] = 'application/json';
		if (token) headers.Authorization = `Bearer ${token}`;
		const answer = await fetch(`${this.url}/api${path}`, {
			method,
			headers,
			body: body === undefined ? undefined : JSON.stringify(body)
		});
		const text = await answer.text();
		if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
		return (text ? JSON.parse(text) : {}) as Answer;
	}

	async signUp(email: string): Promise<string> {
		await this.call('POST', '/auth/signup', { body: { email, password: PASSWORD } });
		return this.tokenOf(email);
	}

	async tokenOf(email: string): Promise<string> {
		const body = { email, password: PASSWORD };
		const { access_token: token } = await this.call<{ access_token: string }>('POST', '/auth/signin', {
			body
		});
		return token;
	}

	/** Imports the first hits of a search and waits until they are there; the songs' ids. */
	async importSongs(token: string, words: string, count: number): Promise<string[]> {
		const found = await this.call<{ candidates: { source_id: string }[] }>(
			'GET',
			`/songs/search?q=${encodeURIComponent(words)}&limit=${count}`,
			{ token }
		);
		const ids: string[] = [];
		for (const { source_id } of found.candidates.slice(0, count)) {
			const body = { source_provider: 'youtube', source_id };
			let job = await this.call<{ id: string; status: string; song_id: string | null }>(
				'POST',
				'/songs/import',
				{
					body,
					token
				}
			);
			while (job.status === 'queued' || job.status === 'processing') {
				await new Promise((resolve) => setTimeout(resolve, 50));
				job = await this.call('GET', `/jobs/${job.id}`, { token });
			}
			if (job.song_id === null) throw new Error(`an import ended as ${job.status}`);
			ids.push(job.song_id);
		}
		return ids;
	}
}
