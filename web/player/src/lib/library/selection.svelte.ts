/** Which rows are chosen, and which one has the keyboard. Rows are known by their ids, places by their numbers. */
import { SvelteSet } from 'svelte/reactivity';

export interface Modifiers {
	shiftKey: boolean;
	ctrlKey: boolean;
	metaKey: boolean;
}

export class Selection {
	readonly chosen = new SvelteSet<string>();
	/** The row that the keyboard is on. */
	focused = $state(0);
	#anchor = 0;

	/** A click or a step of the keyboard: alone, added, or as far as from the last one. */
	choose(index: number, idAt: (index: number) => string | undefined, modifiers: Modifiers): void {
		const id = idAt(index);
		this.focused = index;
		if (id === undefined) return;
		if (modifiers.shiftKey) {
			this.chosen.clear();
			const [from, to] = [Math.min(this.#anchor, index), Math.max(this.#anchor, index)];
			for (let at = from; at <= to; at += 1) {
				const between = idAt(at);
				if (between !== undefined) this.chosen.add(between);
			}
			return;
		}
		this.#anchor = index;
		if (modifiers.ctrlKey || modifiers.metaKey) {
			if (!this.chosen.delete(id)) this.chosen.add(id);
			return;
		}
		this.chosen.clear();
		this.chosen.add(id);
	}

	/** Moves the keyboard without choosing. */
	moveTo(index: number): void {
		this.focused = index;
		this.#anchor = index;
	}

	clear(): void {
		this.chosen.clear();
	}

	chooseAll(ids: Iterable<string>): void {
		for (const id of ids) this.chosen.add(id);
	}
}
