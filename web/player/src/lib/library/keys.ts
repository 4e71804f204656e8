/** The keys of a list of songs. */

export interface ListKeysDeps {
	count: () => number;
	/** Rows of one screen. */
	page: () => number;
	titleAt: (index: number) => string | undefined;
	go: (index: number, event: KeyboardEvent) => void;
	play: (index: number) => void;
	toggle: (index: number) => void;
	remove: (index: number) => void;
	all: () => void;
	none: () => void;
}

/** Letters typed within this belong to one word. */
const WORD_MS = 700;

export class ListKeys {
	readonly #deps: ListKeysDeps;
	readonly #now: () => number;
	#typed = '';
	#typedAt = 0;

	constructor(deps: ListKeysDeps, now: () => number = () => Date.now()) {
		this.#deps = deps;
		this.#now = now;
	}

	press(event: KeyboardEvent, focused: number): void {
		// Buttons within a row have keys of their own.
		if ((event.target as Element).closest('button')) return;
		if (this.#handle(event, focused)) event.preventDefault();
	}

	#handle(event: KeyboardEvent, at: number): boolean {
		const deps = this.#deps;
		const last = deps.count() - 1;
		const go = (index: number) => {
			deps.go(Math.max(0, Math.min(last, index)), event);
			return true;
		};
		const withControl = event.ctrlKey || event.metaKey;
		switch (event.key) {
			case 'ArrowDown':
				return go(at + 1);
			case 'ArrowUp':
				return go(at - 1);
			case 'PageDown':
				return go(at + deps.page());
			case 'PageUp':
				return go(at - deps.page());
			case 'Home':
				return go(0);
			case 'End':
				return go(last);
			case 'Enter':
				deps.play(at);
				return true;
			case 'Delete':
				deps.remove(at);
				return true;
			case 'Escape':
				deps.none();
				return true;
			case ' ':
				// Alone it plays and pauses, as everywhere.
				if (!withControl) return false;
				deps.toggle(at);
				return true;
			case 'a':
				if (!withControl) break;
				deps.all();
				return true;
		}
		return this.#find(event, at);
	}

	/** Typing a word goes to the next song that begins so. Single letters are the player's shortcuts, with Shift they are not. */
	#find(event: KeyboardEvent, at: number): boolean {
		const { key } = event;
		if ([...key].length !== 1 || event.ctrlKey || event.metaKey || event.altKey) return false;
		const now = this.#now();
		const goesOn = now - this.#typedAt < WORD_MS && this.#typed !== '';
		if (!goesOn && !event.shiftKey) return false;
		this.#typed = (goesOn ? this.#typed : '') + key.toLocaleLowerCase();
		this.#typedAt = now;
		const count = this.#deps.count();
		for (let step = goesOn ? 0 : 1; step <= count; step += 1) {
			const index = (at + step) % count;
			const title = this.#deps.titleAt(index)?.toLocaleLowerCase();
			if (!title?.startsWith(this.#typed)) continue;
			this.#deps.go(index, new KeyboardEvent('keydown', { key }));
			event.stopPropagation();
			return true;
		}
		event.stopPropagation();
		return true;
	}
}
