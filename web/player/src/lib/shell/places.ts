/** The places that are one step away from everywhere. */
import Download from '@lucide/svelte/icons/download';
import House from '@lucide/svelte/icons/house';
import LibraryBig from '@lucide/svelte/icons/library-big';
import Search from '@lucide/svelte/icons/search';
import type { Icon } from '@songkeep/ui';
import { m } from '$lib/paraglide/messages';

export interface Place {
	path: '/' | '/search' | '/library' | '/imports';
	label: () => string;
	icon: Icon;
}

export const PLACES: readonly Place[] = [
	{ path: '/', label: m.shell_home, icon: House },
	{ path: '/search', label: m.shell_search, icon: Search },
	{ path: '/library', label: m.shell_library, icon: LibraryBig },
	{ path: '/imports', label: m.shell_imports, icon: Download }
];

/** Whether a page belongs to a place: its own, or one below it. */
export function isAt(place: Place, pathname: string): boolean {
	return place.path === '/'
		? pathname === '/'
		: pathname === place.path || pathname.startsWith(`${place.path}/`);
}
