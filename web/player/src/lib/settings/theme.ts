/** Light, dark, or as the system is. `static/theme.js` reads it before anything is painted. */

export type Theme = 'system' | 'light' | 'dark';

const KEY = 'songkeep.theme';

export function keptTheme(): Theme {
	try {
		const kept = localStorage.getItem(KEY);
		return kept === 'light' || kept === 'dark' ? kept : 'system';
	} catch {
		// Storage is refused.
		return 'system';
	}
}

export function applyTheme(theme: Theme): void {
	try {
		if (theme === 'system') localStorage.removeItem(KEY);
		else localStorage.setItem(KEY, theme);
	} catch {
		// It holds until the page is closed.
	}
	show(theme);
}

function show(theme: Theme): void {
	const root = document.documentElement;
	if (theme === 'system') delete root.dataset.theme;
	else root.dataset.theme = theme;
	paintFrame();
}

/** The browser's own frame takes the page's ground. */
function paintFrame(): void {
	const ground = getComputedStyle(document.documentElement).getPropertyValue('--ground').trim();
	document.querySelector<HTMLMetaElement>('meta[name="theme-color"]')?.setAttribute('content', ground);
}

/** Follows the system, and the choice made in another tab; returns how to stop. */
export function followTheme(): () => void {
	const system = window.matchMedia('(prefers-color-scheme: dark)');
	const chosen = (event: StorageEvent) => {
		if (event.key === KEY || event.key === null) show(keptTheme());
	};
	system.addEventListener('change', paintFrame);
	window.addEventListener('storage', chosen);
	return () => {
		system.removeEventListener('change', paintFrame);
		window.removeEventListener('storage', chosen);
	};
}
