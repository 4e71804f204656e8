/** Pages of somebody who is not signed in. */
const WAYS_IN = /^\/(signin|signup|verify|forgot|reset|setup)(\/|$)/;

/** Where somebody wanted to go before they had to sign in: a place of ours, or home. */
export function nextPlace(asked: string | null): string {
	if (!asked || !asked.startsWith('/') || asked.startsWith('//') || asked.includes('\\')) return '/';
	const here = 'http://here.invalid';
	const url = new URL(asked, here);
	return url.origin === here && !WAYS_IN.test(url.pathname) ? url.pathname + url.search : '/';
}

interface Address {
	hash: string;
	pathname: string;
	searchParams: Pick<URLSearchParams, 'get'>;
}

/** The one-time token of a mail's link, which does not stay in the address or the history. */
export function takeToken(url: Address, replace: (path: string) => void): string | null {
	const token = new URLSearchParams(url.hash.slice(1)).get('token') ?? url.searchParams.get('token');
	if (token !== null) replace(url.pathname);
	return token === '' ? null : token;
}
