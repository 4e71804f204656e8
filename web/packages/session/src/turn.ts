/**
 * One tab at a time: by a Web Lock where there is one, else by a lease in storage. Neither is needed for
 * safety, as the server gives the same successor to a token that comes twice within seconds; they spare
 * it the calls, and tabs the wait.
 */
import type { SessionEnv } from './env';

const NAME = 'songkeep-refresh';
/** A tab that takes longer is asleep or gone. */
const LEASE_MS = 8_000;
/** Two tabs that find the lease free at once both write; the later one has it after this. */
const SETTLE_MS = 40;
const LOOK_EVERY_MS = 120;

type TurnEnv = Pick<SessionEnv, 'locks' | 'storage' | 'now' | 'random' | 'setTimer'>;

/** Runs `work` while no other tab does. `isDone` is asked while waiting: true ends it without `work`. */
export async function inTurn(env: TurnEnv, isDone: () => boolean, work: () => Promise<void>): Promise<void> {
	if (env.locks) {
		await env.locks.request(NAME, async () => {
			if (!isDone()) await work();
		});
		return;
	}
	const tab = `${env.now().toString(36)}-${env.random().toString(36).slice(2)}`;
	while (!isDone()) {
		if (await took(env, tab)) {
			try {
				if (!isDone()) await work();
			} finally {
				if (leaseOf(env)?.tab === tab) env.storage?.removeItem(NAME);
			}
			return;
		}
		await pause(env, LOOK_EVERY_MS * (0.75 + env.random() / 2));
	}
}

async function took(env: TurnEnv, tab: string): Promise<boolean> {
	const held = leaseOf(env);
	// One that is further ahead than any lease comes from a clock that was set back.
	if (held && held.until > env.now() && held.until <= env.now() + LEASE_MS) return false;
	try {
		env.storage?.setItem(NAME, JSON.stringify({ tab, until: env.now() + LEASE_MS }));
	} catch {
		return true;
	}
	if (!env.storage) return true;
	await pause(env, SETTLE_MS);
	return leaseOf(env)?.tab === tab;
}

function leaseOf(env: TurnEnv): { tab: string; until: number } | null {
	try {
		const value: unknown = JSON.parse(env.storage?.getItem(NAME) ?? 'null');
		if (typeof value !== 'object' || value === null) return null;
		const { tab, until } = value as Record<string, unknown>;
		return typeof tab === 'string' && typeof until === 'number' ? { tab, until } : null;
	} catch {
		return null;
	}
}

function pause(env: TurnEnv, ms: number): Promise<void> {
	return new Promise((resolve) => env.setTimer(resolve, ms));
}
