/** The last searches of one account in this browser. They never leave it. */

const MOST = 8;

export class RecentSearches {
	list = $state.raw<readonly string[]>([]);
	#key: string;
	#storage: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'> | null;

	constructor(userId: string, storage: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'> | null) {
		this.#key = `songkeep-searches:${userId}`;
		this.#storage = storage;
		this.list = this.#read();
	}

	add(words: string): void {
		if (words.length < 2) return;
		const same = words.toLocaleLowerCase();
		const others = this.#read().filter((known) => known.toLocaleLowerCase() !== same);
		this.#write([words, ...others].slice(0, MOST));
	}

	remove(words: string): void {
		this.#write(this.#read().filter((known) => known !== words));
	}

	clear(): void {
		this.#write([]);
	}

	/** Other tabs write too, so what is stored counts. */
	#read(): readonly string[] {
		try {
			const value: unknown = JSON.parse(this.#storage?.getItem(this.#key) ?? '[]');
			return Array.isArray(value) ? value.filter((one) => typeof one === 'string').slice(0, MOST) : [];
		} catch {
			return [];
		}
	}

	#write(list: readonly string[]): void {
		this.list = list;
		try {
			if (list.length === 0) this.#storage?.removeItem(this.#key);
			else this.#storage?.setItem(this.#key, JSON.stringify(list));
		} catch {
			// A full or forbidden storage costs only the memory of this.
		}
	}
}

/** Those of who is signed in; without a storage they last as long as the page. */
export function recentSearchesOf(session: { readonly user: { readonly id: string } | null }): RecentSearches {
	let storage: Storage | null = null;
	try {
		storage = window.localStorage;
	} catch {
		// Forbidden by the browser's settings.
	}
	return new RecentSearches(session.user?.id ?? '', storage);
}
