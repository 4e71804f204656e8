import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { SessionEnv } from './env';
import { createSessionApi } from './api';
import { Session } from './session.svelte';

const LIFE_S = 1_800;

/** A server, and what tabs of one browser share. */
class World {
	refreshes = 0;
	signedIn = true;
	reachable = true;
	valid = new Set<string>();
	stored = new Map<string, string>();
	channels = new Set<FakeChannel>();
	hasLocks = true;
	private lock: Promise<unknown> = Promise.resolve();

	constructor(wasSignedIn = true) {
		if (wasSignedIn) this.stored.set('songkeep.account', JSON.stringify(ME));
	}

	tab() {
		const reload = vi.fn();
		let stored: Parameters<SessionEnv['onStorage']>[0] = () => undefined;
		const env: SessionEnv = {
			fetch: (input, init) => this.answer(new Request(new URL(String(input), 'http://songkeep.test'), init)),
			locks: this.hasLocks ? { request: (_name: string, work: unknown) => this.take(work) } : null,
			storage: {
				getItem: (key) => this.stored.get(key) ?? null,
				setItem: (key, value) => void this.stored.set(key, value),
				removeItem: (key) => void this.stored.delete(key)
			},
			channel: new FakeChannel(this.channels) as unknown as BroadcastChannel,
			now: () => Date.now(),
			random: () => Math.random(),
			setTimer: (run, ms) => setTimeout(run, ms) as unknown as number,
			clearTimer: (timer) => clearTimeout(timer),
			onStorage(run) {
				stored = run;
				return () => undefined;
			},
			onReturn: () => () => undefined,
			reload
		};
		const session = new Session(env);
		return { session, reload, stored };
	}

	async answer(request: Request): Promise<Response> {
		await new Promise((resolve) => setTimeout(resolve, 20));
		if (!this.reachable) throw new TypeError('Failed to fetch');
		const path = new URL(request.url).pathname;
		if (path === '/api/auth/refresh' || path === '/api/auth/signin') {
			if (path.endsWith('refresh')) this.refreshes += 1;
			if (!this.signedIn) return problem(401, 'unauthenticated');
			const token = `token ${this.valid.size + 1}`;
			this.valid.add(token);
			return Response.json({ access_token: token, token_type: 'bearer', expires_in: LIFE_S });
		}
		if (path === '/api/auth/logout') return Response.json({ detail: 'Signed out.' });
		const bearer = request.headers.get('Authorization')?.replace('Bearer ', '') ?? '';
		if (!this.valid.has(bearer)) return problem(401, 'unauthenticated');
		return Response.json(path === '/api/auth/me' ? ME : { songs: [], total: 0 });
	}

	private take(work: unknown): Promise<never> {
		const next = this.lock.then(() => (work as () => Promise<unknown>)());
		this.lock = next.catch(() => undefined);
		return next as Promise<never>;
	}
}

class FakeChannel {
	onmessage: ((event: { data: unknown }) => void) | null = null;

	constructor(private all: Set<FakeChannel>) {
		all.add(this);
	}

	postMessage(data: unknown): void {
		for (const other of this.all) if (other !== this) queueMicrotask(() => other.onmessage?.({ data }));
	}

	close(): void {
		this.all.delete(this);
	}
}

const ME = {
	id: 'a',
	email: 'ada@example.com',
	role: 'user',
	verified: true,
	created_at: '2026-01-01T00:00:00Z'
};

function problem(status: number, code: string): Response {
	return Response.json({ status, code, detail: 'Sign in first.' }, { status });
}

describe('a session', () => {
	beforeEach(() => vi.useFakeTimers());
	afterEach(() => vi.useRealTimers());

	it('asks nothing of the server on a first visit', async () => {
		const world = new World(false);
		const { session } = world.tab();
		await session.start();
		expect(session.state).toBe('signed-out');
		expect(world.refreshes).toBe(0);
	});

	it('comes back by its cookie', async () => {
		const { session } = new World().tab();
		const started = session.start();
		await vi.advanceTimersByTimeAsync(500);
		await started;
		expect(session.state).toBe('signed-in');
		expect(session.user?.email).toBe('ada@example.com');
		expect(await session.accessToken()).toBe('token 1');
	});

	it.each([true, false])('of five tabs asks the server once (Web Locks: %s)', async (hasLocks) => {
		const world = new World();
		world.hasLocks = hasLocks;
		const tabs = Array.from({ length: 5 }, () => world.tab().session);
		const started = Promise.all(tabs.map((session) => session.start()));
		await vi.advanceTimersByTimeAsync(5_000);
		await started;
		expect(tabs.map((session) => session.state)).toEqual(Array(5).fill('signed-in'));
		expect(world.refreshes).toBe(1);
		expect(new Set(await Promise.all(tabs.map((session) => session.accessToken()))).size).toBe(1);
	});

	it('is renewed before its token runs out', async () => {
		const world = new World();
		const { session } = world.tab();
		void session.start();
		await vi.advanceTimersByTimeAsync(1_000);
		await vi.advanceTimersByTimeAsync((LIFE_S - 60) * 1_000);
		expect(world.refreshes).toBe(2);
		expect(await session.accessToken()).toBe('token 2');
	});

	it('outlives a server that cannot be reached', async () => {
		const world = new World();
		const { session } = world.tab();
		world.reachable = false;
		void session.start();
		await vi.advanceTimersByTimeAsync(10_000);
		expect(session.state).toBe('starting');
		expect(session.unreachable).toBe(true);
		world.reachable = true;
		await vi.advanceTimersByTimeAsync(40_000);
		expect(session.state).toBe('signed-in');
		expect(session.unreachable).toBe(false);
	});

	it('ends when the server says so, and tells whoever listens', async () => {
		const world = new World();
		const { session } = world.tab();
		const ended = vi.fn();
		session.onEnd(ended);
		world.signedIn = false;
		void session.start();
		await vi.advanceTimersByTimeAsync(500);
		expect(session.state).toBe('signed-out');
		expect(ended).toHaveBeenCalledOnce();
		expect(session.left).toBe(false);
		expect(world.stored.has('songkeep.account')).toBe(false);
	});

	it('ends in all tabs', async () => {
		const world = new World();
		const [one, two] = [world.tab().session, world.tab().session];
		void one.start();
		void two.start();
		await vi.advanceTimersByTimeAsync(1_000);
		void one.signOut();
		await vi.advanceTimersByTimeAsync(100);
		expect([one.state, two.state]).toEqual(['signed-out', 'signed-out']);
		expect([one.left, two.left]).toEqual([true, true]);
		expect(await two.accessToken()).toBeNull();
	});

	it('ends by what storage says, where tabs cannot talk', async () => {
		const world = new World();
		const { session, stored } = world.tab();
		void session.start();
		await vi.advanceTimersByTimeAsync(1_000);
		stored('songkeep.account', 'left');
		expect([session.state, session.left]).toEqual(['signed-out', true]);
	});

	it('shows another account by starting the page afresh', async () => {
		const world = new World();
		const { session, reload } = world.tab();
		void session.start();
		await vi.advanceTimersByTimeAsync(1_000);
		const other = new FakeChannel(world.channels);
		other.postMessage({ kind: 'token', token: 't', renewAt: Date.now() + 1_000, account: 'b' });
		await vi.advanceTimersByTimeAsync(1);
		expect(reload).toHaveBeenCalledOnce();
	});

	it('repeats a call once when its token was refused', async () => {
		const world = new World();
		const { session } = world.tab();
		void session.start();
		await vi.advanceTimersByTimeAsync(1_000);
		world.valid.clear();
		world.valid.add('none of ours');
		const send = (request: Request) => world.answer(request);
		const api = createSessionApi(session, send, 'http://songkeep.test/api');
		const call = api.GET('/library');
		await vi.advanceTimersByTimeAsync(1_000);
		expect((await call).response.status).toBe(200);
		expect(world.refreshes).toBe(2);
	});
});
