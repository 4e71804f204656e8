import { getContext, setContext } from 'svelte';

export interface ToastAction {
	label: string;
	run: () => void;
}

export interface Toast {
	id: number;
	text: string;
	action?: ToastAction;
	tone: 'plain' | 'bad';
}

/** Long enough to read a sentence and reach its action; longer where there is one. */
const SHOWN_MS = 5_000;
const SHOWN_WITH_ACTION_MS = 10_000;
const AT_ONCE = 3;

/** The short messages at the edge of the page, newest last. */
export class Toasts {
	items = $state<Toast[]>([]);
	#next = 1;
	#timers = new Map<number, { handle: ReturnType<typeof setTimeout>; ms: number }>();

	/** Gives the toast's id. */
	show(toast: {
		text: string;
		action?: ToastAction;
		tone?: Toast['tone'];
		/** `Infinity` keeps it until it is dismissed. */
		durationMs?: number;
	}): number {
		const id = this.#next;
		this.#next += 1;
		const { text, action, tone = 'plain' } = toast;
		this.items = [...this.items, { id, text, action, tone }].slice(-AT_ONCE);
		this.#start(id, toast.durationMs ?? (action ? SHOWN_WITH_ACTION_MS : SHOWN_MS));
		return id;
	}

	dismiss(id: number): void {
		this.items = this.items.filter((toast) => toast.id !== id);
		const timer = this.#timers.get(id);
		if (timer) clearTimeout(timer.handle);
		this.#timers.delete(id);
	}

	/** Runs a toast's action, once. */
	act(toast: Toast): void {
		this.dismiss(toast.id);
		toast.action?.run();
	}

	/** While somebody points at them, none goes away. */
	hold(): void {
		for (const { handle } of this.#timers.values()) clearTimeout(handle);
	}

	release(): void {
		for (const [id, { ms }] of [...this.#timers]) this.#start(id, ms);
	}

	#start(id: number, ms: number): void {
		if (!Number.isFinite(ms)) return;
		this.#timers.set(id, { handle: setTimeout(() => this.dismiss(id), ms), ms });
	}
}

const KEY = Symbol('toasts');

export function setToasts(toasts = new Toasts()): Toasts {
	return setContext(KEY, toasts);
}

export function getToasts(): Toasts {
	return getContext<Toasts>(KEY);
}
