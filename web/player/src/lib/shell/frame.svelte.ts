/** How somebody has set up the frame: kept in the browser, as it depends on the screen. */
import { createContext } from 'svelte';

const KEY = 'songkeep.frame';

export class Frame {
	/** Only icons on the left. */
	narrow = $state(false);
	/** The queue on the right. */
	panel = $state(false);
	#storage: Pick<Storage, 'getItem' | 'setItem'> | null;

	constructor(storage: Pick<Storage, 'getItem' | 'setItem'> | null) {
		this.#storage = storage;
		try {
			const kept: unknown = JSON.parse(storage?.getItem(KEY) ?? 'null');
			if (typeof kept === 'object' && kept !== null) {
				this.narrow = 'narrow' in kept && kept.narrow === true;
				this.panel = 'panel' in kept && kept.panel === true;
			}
		} catch {
			// As on the first day, then.
		}
	}

	toggleNarrow(): void {
		this.narrow = !this.narrow;
		this.#keep();
	}

	togglePanel(): void {
		this.panel = !this.panel;
		this.#keep();
	}

	closePanel(): void {
		this.panel = false;
		this.#keep();
	}

	#keep(): void {
		try {
			this.#storage?.setItem(KEY, JSON.stringify({ narrow: this.narrow, panel: this.panel }));
		} catch {
			// Full or refused: it holds until the page is closed.
		}
	}
}

export const [getFrame, setFrame] = createContext<Frame>();
