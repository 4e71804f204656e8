/** What the feed takes from the browser, so that tests can give it something else. */
import { storageOrNull } from '@songkeep/session';
import type { LeadershipEnv } from './leadership';

export interface FeedEnv extends LeadershipEnv {
	/** Null where tabs cannot talk to each other. */
	readonly channel: (name: string) => BroadcastChannel | null;
	/** Calls with true when the network is back or the page is looked at again, with false when it is gone. */
	readonly onreturn: (run: (isBack: boolean) => void) => () => void;
}

export function browserEnv(): FeedEnv {
	// Typed as always there, but missing outside of secure contexts.
	const locks: LockManager | undefined = navigator.locks;
	return {
		locks: locks ?? null,
		storage: storageOrNull(),
		timers: {
			set: (run, ms) => window.setTimeout(run, ms),
			clear: (timer) => window.clearTimeout(timer)
		},
		now: () => Date.now(),
		random: () => Math.random(),
		channel: (name) => ('BroadcastChannel' in window ? new BroadcastChannel(name) : null),
		onstorage(run) {
			const heard = (event: StorageEvent) => run(event.key);
			window.addEventListener('storage', heard);
			return () => window.removeEventListener('storage', heard);
		},
		onhide(run) {
			window.addEventListener('pagehide', run);
			return () => window.removeEventListener('pagehide', run);
		},
		onreturn(run) {
			const back = () => run(true);
			const gone = () => run(false);
			const seen = () => document.visibilityState === 'visible' && run(true);
			window.addEventListener('online', back);
			window.addEventListener('offline', gone);
			document.addEventListener('visibilitychange', seen);
			return () => {
				window.removeEventListener('online', back);
				window.removeEventListener('offline', gone);
				document.removeEventListener('visibilitychange', seen);
			};
		}
	};
}
