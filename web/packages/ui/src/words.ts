import { getContext, setContext } from 'svelte';

/** The few words that components say by themselves, in the language of the app. */
export interface UiWords {
	close: string;
	retry: string;
	notifications: string;
}

const KEY = Symbol('words of the interface');
const ENGLISH: UiWords = { close: 'Close', retry: 'Try again', notifications: 'Notifications' };

export function setUiWords(words: UiWords): void {
	setContext(KEY, words);
}

export function getUiWords(): UiWords {
	return getContext<UiWords | undefined>(KEY) ?? ENGLISH;
}
