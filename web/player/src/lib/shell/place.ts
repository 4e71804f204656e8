/** Where somebody was on a page. The page scrolls within its frame, which browsers do not remember. */

const PATIENCE_MS = 2_000;
/** What says that somebody goes elsewhere on their own. */
const TAKEN_OVER = ['wheel', 'touchstart', 'keydown', 'pointerdown'] as const;

/** Brings a page back to where it was, as soon as what it holds has come. */
export function returnTo(main: HTMLElement, top: number): void {
	const reached = () => {
		main.scrollTop = top;
		return Math.abs(main.scrollTop - top) <= 1;
	};
	if (reached()) return;
	const watcher = new ResizeObserver(() => {
		if (reached()) stop();
	});
	const timer = setTimeout(stop, PATIENCE_MS);
	function stop(): void {
		watcher.disconnect();
		clearTimeout(timer);
		for (const name of TAKEN_OVER) window.removeEventListener(name, stop, true);
	}
	for (const part of main.children) watcher.observe(part);
	for (const name of TAKEN_OVER) window.addEventListener(name, stop, { capture: true, passive: true });
}

/** A new page begins at its top, and keys scroll it and walk through it from there. */
export function arrive(main: HTMLElement, isBack: boolean): void {
	if (!isBack) main.scrollTop = 0;
	const focused = document.activeElement;
	if (focused === null || focused === document.body) main.focus({ preventScroll: true });
}
