/** What a session takes from the browser, so that tests can give it something else. */

export interface SessionEnv {
	fetch: typeof fetch;
	/** Null on plain http of a LAN, where browsers have none. */
	locks: Pick<LockManager, 'request'> | null;
	/** Null where storage is refused. */
	storage: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'> | null;
	/** Null where tabs cannot talk to each other. */
	channel: BroadcastChannel | null;
	now: () => number;
	random: () => number;
	setTimer: (run: () => void, ms: number) => number;
	clearTimer: (timer: number) => void;
	/** Calls when another tab has changed something kept, with what it is now; no key means all of it. */
	onStorage: (run: (key: string | null, value: string | null) => void) => () => void;
	/** Calls when the network is back or the page is looked at again. */
	onReturn: (run: () => void) => () => void;
	/** Starts the page afresh. */
	reload: () => void;
}

/** What a browser keeps for this place; null where it refuses, as in some private windows. */
export function storageOrNull(): Storage | null {
	try {
		return window.localStorage;
	} catch {
		return null;
	}
}

export function browserEnv(): SessionEnv {
	const locks: LockManager | undefined = navigator.locks;
	return {
		fetch: window.fetch.bind(window),
		locks: locks ?? null,
		storage: storageOrNull(),
		channel: 'BroadcastChannel' in window ? new BroadcastChannel('songkeep-session') : null,
		now: () => Date.now(),
		random: () => Math.random(),
		setTimer: (run, ms) => window.setTimeout(run, ms),
		clearTimer: (timer) => window.clearTimeout(timer),
		onStorage(run) {
			const heard = (event: StorageEvent) => run(event.key, event.newValue);
			window.addEventListener('storage', heard);
			return () => window.removeEventListener('storage', heard);
		},
		onReturn(run) {
			const seen = () => document.visibilityState === 'visible' && run();
			window.addEventListener('online', run);
			document.addEventListener('visibilitychange', seen);
			return () => {
				window.removeEventListener('online', run);
				document.removeEventListener('visibilitychange', seen);
			};
		},
		reload: () => window.location.reload()
	};
}
