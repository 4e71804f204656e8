/** How the rest of the app brings somebody to the search. */

/** Asks a search on the page to come forward; who answers prevents the default. */
const EVENT = 'songkeep:search';

export interface SearchWish {
	/** Put into the field; without it the field is only focused. */
	readonly text?: string;
}

/** True when a search on this page has taken the wish. */
export function askSearch(wish: SearchWish = {}): boolean {
	const event = new CustomEvent<SearchWish>(EVENT, { detail: wish, cancelable: true });
	return !window.dispatchEvent(event);
}

/** Takes wishes; returns how to stop. */
export function onSearchAsked(take: (wish: SearchWish) => void): () => void {
	const heard = (event: Event) => {
		event.preventDefault();
		take((event as CustomEvent<SearchWish>).detail);
	};
	window.addEventListener(EVENT, heard);
	return () => window.removeEventListener(EVENT, heard);
}
