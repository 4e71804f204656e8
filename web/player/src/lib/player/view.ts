/** The large view of what is on: a page of its own, and on a phone a sheet above any page. */
import { goto, pushState } from '$app/navigation';
import { resolve } from '$app/paths';
import { page } from '$app/state';

declare global {
	// The place that SvelteKit reads the type of `page.state` from.
	// eslint-disable-next-line @typescript-eslint/no-namespace
	namespace App {
		interface PageState {
			/** The sheet is drawn above the page. */
			nowPlaying?: boolean;
		}
	}
}

export const nowPlayingPath = resolve('/(app)/now-playing');

export const isNowPlaying = (): boolean => page.url.pathname === nowPlayingPath;

export const isSheetOpen = (): boolean => page.state.nowPlaying === true;

/** Over the page that is shown, so that this one is still there when the sheet goes down. */
export function openSheet(): void {
	if (!isSheetOpen()) pushState(nowPlayingPath, { nowPlaying: true });
}

export function closeSheet(): void {
	if (isSheetOpen()) history.back();
}

export async function toggleNowPlaying(): Promise<void> {
	if (isSheetOpen() || (isNowPlaying() && history.length > 1)) history.back();
	else await goto(isNowPlaying() ? resolve('/(app)') : nowPlayingPath);
}
