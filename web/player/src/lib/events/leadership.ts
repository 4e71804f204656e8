/**
 * Which of the tabs of one account holds the line to the server. With Web Locks the browser decides; a page
 * of plain http on a home network has none, so there the tabs share a lease in localStorage. Where neither
 * works, every tab leads for itself. Knows nothing of the events.
 */
import type { LineTimers } from './line';

/** A hidden tab's timers may run only once a minute: then its lease lapses, and a tab in use takes over. */
const LEASE_MS = 6_000;
const RENEW_MS = 2_000;
/** Two tabs that find the lease free at the same moment both write; the later one wins after this. */
const SETTLE_MS = 60;

export interface LeadershipEnv {
	readonly locks: Pick<LockManager, 'request'> | null;
	readonly storage: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'> | null;
	readonly timers: LineTimers;
	readonly now: () => number;
	readonly random: () => number;
	/** Calls when another tab may have changed the lease; returns how to stop listening. */
	readonly onstorage: (run: (key: string | null) => void) => () => void;
	/** Calls when the page goes away, perhaps to come back. */
	readonly onhide: (run: () => void) => () => void;
}

export interface LeadershipListener {
	readonly onlead: () => void;
	/** Another tab has taken over. Not called by `leave`. */
	readonly onfollow: () => void;
}

export interface Leadership {
	leave(): void;
}

export function contend(name: string, env: LeadershipEnv, listener: LeadershipListener): Leadership {
	if (env.locks) return contendByLock(name, env.locks, listener);
	if (env.storage) return new Lease(name, env.storage, env, listener);
	listener.onlead();
	return { leave: () => undefined };
}

function contendByLock(
	name: string,
	locks: Pick<LockManager, 'request'>,
	listener: LeadershipListener
): Leadership {
	const waiting = new AbortController();
	let release: (() => void) | null = null;
	let left = false;
	const hold = () =>
		new Promise<void>((resolve) => {
			release = resolve;
			if (left) resolve();
			else listener.onlead();
		});
	locks.request(name, { signal: waiting.signal }, hold).catch(() => undefined);
	return {
		leave() {
			left = true;
			if (release) release();
			else waiting.abort();
		}
	};
}

interface LeaseRecord {
	readonly tab: string;
	readonly until: number;
}

class Lease implements Leadership {
	#name: string;
	#storage: NonNullable<LeadershipEnv['storage']>;
	#env: LeadershipEnv;
	#listener: LeadershipListener;
	#tab: string;
	#leads = false;
	#timer: number;
	#stopListening: (() => void)[];

	constructor(
		name: string,
		storage: NonNullable<LeadershipEnv['storage']>,
		env: LeadershipEnv,
		listener: LeadershipListener
	) {
		this.#name = name;
		this.#storage = storage;
		this.#env = env;
		this.#listener = listener;
		this.#tab = `${env.now().toString(36)}-${env.random().toString(36).slice(2)}`;
		// Contending later, so that whoever made this holds it before it speaks.
		this.#timer = env.timers.set(() => this.#step(), 0);
		this.#stopListening = [
			env.onstorage((key) => {
				if (key === null || key === this.#name) this.#later(SETTLE_MS * env.random());
			}),
			env.onhide(() => this.#yield())
		];
	}

	leave(): void {
		this.#env.timers.clear(this.#timer);
		for (const stop of this.#stopListening) stop();
		if (this.#read()?.tab === this.#tab) this.#remove();
		this.#leads = false;
	}

	/** So that the next page need not wait for the lease to lapse. This one contends again if it comes back. */
	#yield(): void {
		if (this.#read()?.tab === this.#tab) this.#remove();
		this.#follow();
		this.#later(RENEW_MS);
	}

	#later(ms: number): void {
		this.#env.timers.clear(this.#timer);
		this.#timer = this.#env.timers.set(() => this.#step(), ms);
	}

	#step(): void {
		const held = this.#read();
		const now = this.#env.now();
		const isMine = held?.tab === this.#tab;
		// A clock that was set back must not make a lease last for hours.
		const isFree = held === null || held.until <= now || held.until > now + 2 * LEASE_MS;
		if (isMine) {
			this.#write(now);
			this.#lead();
		} else if (isFree) {
			this.#follow();
			if (!this.#write(now)) return this.#lead();
			this.#later(SETTLE_MS);
			return;
		} else {
			this.#follow();
		}
		this.#later(RENEW_MS * (0.75 + this.#env.random() / 2));
	}

	#lead(): void {
		if (this.#leads) return;
		this.#leads = true;
		this.#listener.onlead();
	}

	#follow(): void {
		if (!this.#leads) return;
		this.#leads = false;
		this.#listener.onfollow();
	}

	#read(): LeaseRecord | null {
		try {
			const value: unknown = JSON.parse(this.#storage.getItem(this.#name) ?? 'null');
			return isLease(value) ? value : null;
		} catch {
			return null;
		}
	}

	/** False when storage is refused: then nobody can be asked, and this tab leads for itself. */
	#write(now: number): boolean {
		try {
			const lease: LeaseRecord = { tab: this.#tab, until: now + LEASE_MS };
			this.#storage.setItem(this.#name, JSON.stringify(lease));
			return true;
		} catch {
			return false;
		}
	}

	#remove(): void {
		try {
			this.#storage.removeItem(this.#name);
		} catch {
			// The lease lapses by itself.
		}
	}
}

function isLease(value: unknown): value is LeaseRecord {
	return (
		typeof value === 'object' &&
		value !== null &&
		'tab' in value &&
		typeof value.tab === 'string' &&
		'until' in value &&
		typeof value.until === 'number'
	);
}
