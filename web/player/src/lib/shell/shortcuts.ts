/** Keys that work anywhere: what they mean, and when they are somebody else's. Pure but for `openShortcuts`. */
import { m } from '$lib/paraglide/messages';

export type Action =
	| 'toggle'
	| 'back'
	| 'forward'
	| 'next'
	| 'previous'
	| 'louder'
	| 'quieter'
	| 'mute'
	| 'shuffle'
	| 'repeat'
	| 'queue'
	| 'now'
	| 'search'
	| 'home'
	| 'library'
	| 'imports'
	| 'help';

/** Of a key press, what decides. */
export type Press = Pick<
	KeyboardEvent,
	| 'key'
	| 'ctrlKey'
	| 'metaKey'
	| 'altKey'
	| 'shiftKey'
	| 'defaultPrevented'
	| 'isComposing'
	| 'target'
	| 'timeStamp'
>;

const PLAIN: Record<string, Action> = {
	k: 'toggle',
	j: 'back',
	l: 'forward',
	n: 'next',
	p: 'previous',
	m: 'mute',
	s: 'shuffle',
	r: 'repeat',
	q: 'queue',
	f: 'now',
	'/': 'search',
	'?': 'help'
};
/** Keys that scroll, press or choose elsewhere: they are free only where nothing else has the focus. */
const SHARED: Record<string, Action> = {
	' ': 'toggle',
	ArrowLeft: 'back',
	ArrowRight: 'forward',
	ArrowUp: 'louder',
	ArrowDown: 'quieter'
};
const AFTER_G: Record<string, Action> = { h: 'home', l: 'library', i: 'imports' };
const SEQUENCE_MS = 1_200;

const TYPING =
	'input:not([type="checkbox"], [type="radio"], [type="range"]), textarea, select, [contenteditable]';
const BUSY = `${TYPING}, button, a, summary, label, [role="slider"], [role="menu"], [role="listbox"], [role="grid"], [role="tablist"], [role="row"], [role="option"]`;
const AWAY = '[role="dialog"], [role="alertdialog"], [role="menu"]';

const within = (target: EventTarget | null, selector: string): boolean =>
	target instanceof Element && target.closest(selector) !== null;

export class Shortcuts {
	#g = Number.NEGATIVE_INFINITY;

	/** What a press means here and now; null when nothing, or when it is for somebody else. */
	actionFor(event: Press): Action | null {
		const { key, target } = event;
		if (event.defaultPrevented || event.isComposing || event.altKey) return null;
		if (event.ctrlKey || event.metaKey) {
			return key.toLowerCase() === 'k' && !event.shiftKey && !within(target, AWAY) ? 'search' : null;
		}
		if (within(target, TYPING) || within(target, AWAY)) return null;
		const afterG = event.timeStamp - this.#g < SEQUENCE_MS;
		this.#g = Number.NEGATIVE_INFINITY;
		const letter = key.length === 1 ? key.toLowerCase() : key;
		if (afterG && letter in AFTER_G) return AFTER_G[letter] ?? null;
		if (letter === 'g') {
			this.#g = event.timeStamp;
			return null;
		}
		if (letter in SHARED) return event.shiftKey || within(target, BUSY) ? null : (SHARED[letter] ?? null);
		// On some keyboards `/` itself needs Shift.
		if (event.shiftKey && letter !== '?' && letter !== '/') return null;
		return PLAIN[letter] ?? null;
	}
}

export interface ShortcutLine {
	label: string;
	/** Ways to do it; each a row of keys. */
	keys: readonly (readonly string[])[];
	/** Pressed one after another instead of together. */
	sequence?: boolean;
}

/** For the list that `?` opens. */
export function shortcutGroups(): { title: string; lines: ShortcutLine[] }[] {
	const { platform } = navigator;
	const control = /mac|iphone|ipad/i.test(platform) ? '⌘' : m.player_keys_ctrl();
	return [
		{
			title: m.player_keys_playing(),
			lines: [
				{ label: m.player_keys_toggle(), keys: [[m.player_keys_space()], ['K']] },
				{ label: m.player_keys_back(), keys: [['←'], ['J']] },
				{ label: m.player_keys_forward(), keys: [['→'], ['L']] },
				{ label: m.player_keys_next(), keys: [['N']] },
				{ label: m.player_keys_previous(), keys: [['P']] },
				{ label: m.player_keys_louder(), keys: [['↑']] },
				{ label: m.player_keys_quieter(), keys: [['↓']] },
				{ label: m.player_keys_mute(), keys: [['M']] },
				{ label: m.player_keys_shuffle(), keys: [['S']] },
				{ label: m.player_keys_repeat(), keys: [['R']] }
			]
		},
		{
			title: m.player_keys_going(),
			lines: [
				{ label: m.player_keys_search(), keys: [['/'], [control, 'K']] },
				{ label: m.player_keys_home(), keys: [['G', 'H']], sequence: true },
				{ label: m.player_keys_library(), keys: [['G', 'L']], sequence: true },
				{ label: m.player_keys_imports(), keys: [['G', 'I']], sequence: true },
				{ label: m.player_keys_queue(), keys: [['Q']] },
				{ label: m.player_keys_now(), keys: [['F']] },
				{ label: m.player_keys_help(), keys: [['?']] }
			]
		}
	];
}

const OPEN = 'songkeep:shortcuts';

/** Shows the list of keys, from anywhere. */
export function openShortcuts(): void {
	window.dispatchEvent(new CustomEvent(OPEN));
}

export function onOpenShortcuts(run: () => void): () => void {
	window.addEventListener(OPEN, run);
	return () => window.removeEventListener(OPEN, run);
}
