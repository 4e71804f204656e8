import { getLocale } from '$lib/paraglide/runtime';

/** The language of the app as it is written where the listener is: en-GB has other times than en-US. */
export function regionalLocale(): string {
	const locale = getLocale();
	return navigator.languages.find((one) => one === locale || one.startsWith(`${locale}-`)) ?? locale;
}
