/** What a pasted text is a link to, as far as one can tell without asking the server. Pure. */

export interface PastedLink {
	/** As it is handed to the server. */
	readonly url: string;
	/** Without `www.`, for people. */
	readonly host: string;
	/** One recording that is known by its address; null when only the server can tell. */
	readonly source: { readonly provider: 'youtube'; readonly id: string } | null;
}

const YOUTUBE_HOSTS = new Set(['youtube.com', 'm.youtube.com', 'music.youtube.com', 'youtube-nocookie.com']);
const YOUTUBE_ID = /^[\w-]{11}$/;
const BARE_LINK = /^(?:www\.|m\.|music\.)?(?:youtube\.com|youtu\.be|youtube-nocookie\.com)\//i;

/** Null for anything that is not one link alone. */
export function linkIn(text: string): PastedLink | null {
	const trimmed = text.trim();
	if (trimmed === '' || /\s/.test(trimmed)) return null;
	const isBare = BARE_LINK.test(trimmed);
	if (!isBare && !/^https?:\/\//i.test(trimmed)) return null;
	const url = parse(isBare ? `https://${trimmed}` : trimmed);
	if (!url || !url.hostname.includes('.')) return null;
	const host = url.hostname.replace(/^www\./, '');
	const id = youtubeId(host, url);
	return { url: url.href, host, source: id ? { provider: 'youtube', id } : null };
}

/** The page of a recording at its source. */
export function sourcePage(provider: string, id: string): string | null {
	return provider === 'youtube' ? `https://www.youtube.com/watch?v=${encodeURIComponent(id)}` : null;
}

function parse(text: string): URL | null {
	return URL.canParse(text) ? new URL(text) : null;
}

function youtubeId(host: string, url: URL): string | null {
	const [first = '', second = ''] = url.pathname.split('/').slice(1);
	let id: string | null = null;
	if (host === 'youtu.be') id = first;
	else if (YOUTUBE_HOSTS.has(host)) {
		if (first === 'watch') id = url.searchParams.get('v');
		else if (['shorts', 'embed', 'live', 'v'].includes(first)) id = second;
	}
	return id !== null && YOUTUBE_ID.test(id) ? id : null;
}
