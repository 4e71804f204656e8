/**
 * ↑ and ↓ through the main buttons of all rows, whatever section they are in, with the field above the
 * first. The buttons stay ordinary ones, so Enter, Tab and screen readers need nothing of their own.
 */
import type { Attachment } from 'svelte/attachments';

const ROW_BUTTON = '[data-row-action]';
const FIELD = '[data-search-field]';

const buttonsIn = (node: Element): HTMLElement[] => [...node.querySelectorAll<HTMLElement>(ROW_BUTTON)];

export function walk(onescape: () => void): Attachment<HTMLElement> {
	return (node) => {
		const pressed = (event: KeyboardEvent) => {
			if (event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
			const target = event.target as Element;
			if (event.key === 'Escape') {
				event.preventDefault();
				node.querySelector<HTMLElement>(FIELD)?.focus();
				if (target.matches(FIELD)) onescape();
			} else if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
				if (step(node, target, event.key === 'ArrowDown' ? 1 : -1)) event.preventDefault();
			}
		};
		node.addEventListener('keydown', pressed);
		return () => node.removeEventListener('keydown', pressed);
	};
}

/** False when there is nothing to go to. */
function step(node: Element, from: Element, by: 1 | -1): boolean {
	const buttons = buttonsIn(node);
	const row = from.closest('[data-row]')?.querySelector<HTMLElement>(ROW_BUTTON);
	const at = row ? buttons.indexOf(row) : -1;
	if (at < 0 && (by < 0 || !from.matches(FIELD))) return false;
	const next = buttons[at + by] ?? (at + by < 0 ? node.querySelector<HTMLElement>(FIELD) : null);
	if (!next) return false;
	next.focus();
	next.closest('[data-row]')?.scrollIntoView({ block: 'nearest' });
	return true;
}

/** A double click on a row that did not land on something with a meaning of its own. */
export function opens(event: MouseEvent): boolean {
	return event.target instanceof Element && !event.target.closest('button, a, input');
}
