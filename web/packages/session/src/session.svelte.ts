/**
 * Who is signed in. The access token lives in memory only and is shared with other tabs by messages;
 * the refresh cookie, which scripts cannot read, brings the next one. A server that cannot be reached
 * ends no session: only its word does.
 */
import type { Model } from '@songkeep/api-client';
import { browserEnv, type SessionEnv } from './env';
import { problemOf, withProblem, type Problem } from './problem';
import { inTurn } from './turn';

export type Account = Model<'Me'>;

/** Says that there may be a session, so that a first visit does not ask in vain; and whose it is. */
const ACCOUNT_KEY = 'songkeep.account';
/** Stands there for a moment when somebody signs out, so that other tabs can tell it from a session's end. */
const LEFT = 'left';
const MAX_TIMER_MS = 2 ** 31 - 1;

type Word =
	| { kind: 'token'; token: string; renewAt: number; account: string | null }
	| { kind: 'signed-out'; left: boolean };

export class Session {
	state = $state<'starting' | 'signed-out' | 'signed-in'>('starting');
	user = $state.raw<Account | null>(null);
	/** True while the server does not answer. */
	unreachable = $state(false);
	/** Whether the last session ended because somebody signed out, here or in another tab. */
	left = $state(false);

	#env: SessionEnv;
	#token: string | null = null;
	#renewAt = 0;
	#timer = 0;
	#failures = 0;
	#renewing: Promise<boolean> | null = null;
	#ended = new Set<() => void>();
	#stop: (() => void)[];

	constructor(env: SessionEnv = browserEnv()) {
		this.#env = env;
		if (env.channel) env.channel.onmessage = ({ data }: MessageEvent<Word>) => this.#hear(data);
		this.#stop = [
			// Where tabs cannot talk, storage still tells of a sign-out.
			env.onStorage((key, value) => {
				if (key === ACCOUNT_KEY && value === LEFT) this.#end(false, true);
				else if ((key === ACCOUNT_KEY || key === null) && this.#kept() === null) this.#end(false);
			}),
			env.onReturn(() => this.#returned())
		];
	}

	/** Finds out whether somebody is signed in; to be called once. */
	async start(): Promise<void> {
		const kept = this.#kept();
		if (kept === null) {
			this.state = 'signed-out';
			return;
		}
		// Whose it was is known at once; whether it still is, the server says.
		this.user = kept === 'unknown' ? null : kept;
		await this.renew();
	}

	/** The token for a call; null when there is none. Renews one that has run out. */
	async accessToken(): Promise<string | null> {
		if (this.#token !== null && this.#env.now() < this.#renewAt) return this.#token;
		if (this.state !== 'signed-out') await this.renew();
		return this.#token;
	}

	/** Calls back whenever a session ends, whoever ended it; returns how to stop. */
	onEnd(listener: () => void): () => void {
		this.#ended.add(listener);
		return () => this.#ended.delete(listener);
	}

	async signIn(email: string, password: string): Promise<void> {
		const answer = await this.#post<Model<'TokenAnswer'>>('/auth/signin', { email, password });
		this.#keep(answer);
		await this.#meet();
	}

	signUp(email: string, password: string): Promise<Model<'SignUpAnswer'>> {
		return this.#post('/auth/signup', { email, password });
	}

	verify(token: string): Promise<Model<'Detail'>> {
		return this.#post('/auth/verify-email', { token });
	}

	forgot(email: string): Promise<Model<'Detail'>> {
		return this.#post('/auth/forgot-password', { email });
	}

	reset(token: string, password: string): Promise<Model<'Detail'>> {
		return this.#post('/auth/reset-password', { token, password });
	}

	/** Makes the first administrator's account by the link that the server printed. */
	setUp(token: string, email: string, password: string): Promise<Model<'Me'>> {
		return this.#post('/auth/setup', { token, email, password });
	}

	/** Ends the session here, in all other tabs and on the server. */
	async signOut(): Promise<void> {
		try {
			await this.#post('/auth/logout', undefined);
		} finally {
			this.#end(true, true);
		}
	}

	/**
	 * Exchanges the cookie for a new token; true when there is one. Calls at the same time, also of other
	 * tabs, share one exchange.
	 */
	renew(): Promise<boolean> {
		this.#renewing ??= this.#renew().finally(() => (this.#renewing = null));
		return this.#renewing;
	}

	dispose(): void {
		for (const stop of this.#stop) stop();
		this.#env.clearTimer(this.#timer);
		this.#env.channel?.close();
	}

	async #renew(): Promise<boolean> {
		const before = this.#token;
		const isDone = () => this.#token !== before && this.#token !== null;
		try {
			await inTurn(this.#env, isDone, () => this.#exchange());
			if (this.state !== 'signed-out' && this.#token !== null) await this.#meet();
			return this.#token !== null;
		} catch (error) {
			const { status } = problemOf(error);
			if (status === 400 || status === 401 || status === 403) {
				this.#end(true);
				return false;
			}
			this.#retryLater();
			return this.#token !== null && this.#env.now() < this.#renewAt;
		}
	}

	async #exchange(): Promise<void> {
		this.#keep(await this.#post<Model<'TokenAnswer'>>('/auth/refresh', undefined));
	}

	/** Learns whose token it is, where that is not known. */
	async #meet(): Promise<void> {
		if (this.state !== 'signed-in' || this.user === null) {
			const known = this.user;
			if (known && this.state === 'starting') this.state = 'signed-in';
			const user = await this.#call<Account>('/auth/me', {
				headers: { Authorization: `Bearer ${this.#token}` }
			});
			if (known && known.id !== user.id) {
				this.#remember(user);
				this.#env.reload();
				return;
			}
			this.user = user;
			this.#remember(user);
			this.state = 'signed-in';
			this.#tell();
		}
	}

	#keep(answer: Model<'TokenAnswer'>): void {
		const life = answer.expires_in * 1_000;
		// A minute before its end, or at four fifths of a short life.
		this.#take(answer.access_token, this.#env.now() + Math.max(life - 60_000, life * 0.8));
		if (this.#kept() === null) this.#remember(null);
		this.#tell();
	}

	#take(token: string, renewAt: number): void {
		this.#token = token;
		this.#renewAt = renewAt;
		this.#failures = 0;
		this.unreachable = false;
		this.#schedule(renewAt - this.#env.now());
	}

	#schedule(ms: number): void {
		this.#env.clearTimer(this.#timer);
		this.#timer = this.#env.setTimer(() => void this.renew(), Math.min(Math.max(ms, 0), MAX_TIMER_MS));
	}

	#retryLater(): void {
		this.#failures += 1;
		this.unreachable = true;
		const ms = Math.min(1_000 * 2 ** (this.#failures - 1), 30_000);
		this.#schedule(ms * (0.75 + this.#env.random() / 2));
	}

	/** Timers do not run while a machine sleeps. */
	#returned(): void {
		if (this.state === 'signed-out') return;
		if (this.unreachable || this.#token === null || this.#env.now() >= this.#renewAt) void this.renew();
	}

	#tell(): void {
		if (this.#token === null) return;
		const account = this.user?.id ?? null;
		this.#say({ kind: 'token', token: this.#token, renewAt: this.#renewAt, account });
	}

	#say(word: Word): void {
		this.#env.channel?.postMessage(word);
	}

	#hear(word: Word): void {
		if (word.kind === 'signed-out') {
			this.#end(false, word.left);
			return;
		}
		// Somebody else has signed in over there: what this page shows is not theirs.
		if (word.account !== null && this.user !== null && word.account !== this.user.id) {
			this.#env.reload();
			return;
		}
		this.#take(word.token, word.renewAt);
		if (this.state !== 'signed-in') void this.#meet().catch(() => this.#retryLater());
	}

	#end(tells: boolean, left = false): void {
		const had = this.state !== 'signed-out';
		if (had) this.left = left;
		this.#token = null;
		this.user = null;
		this.state = 'signed-out';
		this.unreachable = false;
		this.#env.clearTimer(this.#timer);
		try {
			if (tells && left) this.#env.storage?.setItem(ACCOUNT_KEY, LEFT);
			this.#env.storage?.removeItem(ACCOUNT_KEY);
		} catch {
			// Then each visit asks.
		}
		if (tells) this.#say({ kind: 'signed-out', left });
		if (had) for (const listener of [...this.#ended]) listener();
	}

	/** The account of the last session; null when nobody was signed in. */
	#kept(): Account | 'unknown' | null {
		if (!this.#env.storage) return 'unknown';
		const text = this.#env.storage.getItem(ACCOUNT_KEY);
		if (text === null) return null;
		try {
			const value: unknown = JSON.parse(text);
			const isAccount = typeof value === 'object' && value !== null && 'id' in value && 'email' in value;
			return isAccount ? (value as Account) : 'unknown';
		} catch {
			return 'unknown';
		}
	}

	#remember(user: Account | null): void {
		try {
			this.#env.storage?.setItem(ACCOUNT_KEY, JSON.stringify(user ?? 'unknown'));
		} catch {
			// Private windows may refuse; then each visit asks.
		}
	}

	#post<Answer>(path: string, body: unknown): Promise<Answer> {
		const headers = new Headers({ Accept: 'application/json' });
		if (body === undefined) return this.#call(path, { method: 'POST', headers });
		headers.set('Content-Type', 'application/json');
		return this.#call(path, { method: 'POST', headers, body: JSON.stringify(body) });
	}

	/** @throws the problem document, or what `fetch` throws */
	async #call<Answer>(path: string, init: RequestInit): Promise<Answer> {
		const response = await this.#env.fetch(`/api${path}`, {
			...init,
			credentials: 'same-origin',
			cache: 'no-store'
		});
		if (response.ok) return (await response.json()) as Answer;
		const problem = (await (await withProblem(response)).json()) as Problem;
		throw problem;
	}
}
