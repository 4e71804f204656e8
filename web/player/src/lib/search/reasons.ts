/**
 * The server gives the reasons of its ranking as English phrases. Here they are put into the listener's
 * language; a phrase that is not known is shown as it came.
 */
import { m } from '$lib/paraglide/messages';

const PHRASES: Record<string, () => string> = {
	'title and artist match': m.search_reason_title_and_artist,
	'title matches': m.search_reason_title,
	'artist matches': m.search_reason_artist,
	'all your words occur': m.search_reason_all_words,
	'some of your words occur': m.search_reason_some_words,
	'few of your words occur': m.search_reason_few_words,
	'close to what you typed': m.search_reason_close,
	'the title says more than you typed': m.search_reason_says_more,
	'official audio': m.search_reason_official_audio,
	'official video': m.search_reason_official_video,
	"the artist's verified channel": m.search_reason_artist_verified,
	'verified channel': m.search_reason_verified,
	"the artist's channel, it seems": m.search_reason_artist_channel,
	'played very often': m.search_reason_popular,
	'usual length': m.search_reason_usual_length,
	'much longer than a song': m.search_reason_longer_than_song,
	'much longer than the others': m.search_reason_longer,
	'much shorter than the others': m.search_reason_shorter,
	'live stream, which cannot be imported yet': m.search_reason_live_stream,
	'the link or id you pasted': m.search_reason_pasted
};

const VERSIONS: Record<string, () => string> = {
	'live version': m.search_version_live,
	cover: m.search_version_cover,
	remix: m.search_version_remix,
	'slowed version': m.search_version_slowed,
	'sped-up version': m.search_version_sped_up,
	'reverb version': m.search_version_reverb,
	instrumental: m.search_version_instrumental,
	'karaoke version': m.search_version_karaoke,
	'8D version': m.search_version_eight_d,
	'nightcore version': m.search_version_nightcore,
	loop: m.search_version_loop,
	reaction: m.search_version_reaction,
	lesson: m.search_version_lesson,
	mashup: m.search_version_mashup,
	'acoustic version': m.search_version_acoustic,
	'bass-boosted version': m.search_version_bass_boosted,
	tribute: m.search_version_tribute,
	parody: m.search_version_parody,
	excerpt: m.search_version_excerpt,
	'collection of songs': m.search_version_collection,
	demo: m.search_version_demo
};

type Worded = (values: { version: string }) => string;

const PATTERNS: readonly (readonly [RegExp, Worded])[] = [
	[/^not an? (.+), which you asked for$/, m.search_reason_version_missing],
	[/^(.+), which you did not ask for$/, m.search_reason_version_unasked],
	[/^(.+), as you asked$/, m.search_reason_version_asked]
];

/** Reasons that speak against a row are marked, not hidden. */
const AGAINST = /^not |did not ask|much (longer|shorter)|cannot be imported|^few of|says more/;

export interface Reason {
	readonly text: string;
	readonly isAgainst: boolean;
}

export function reasonOf(phrase: string): Reason {
	return { text: worded(phrase), isAgainst: AGAINST.test(phrase) };
}

function worded(phrase: string): string {
	const known = PHRASES[phrase];
	if (known) return known();
	for (const [pattern, message] of PATTERNS) {
		const noun = pattern.exec(phrase)?.[1];
		if (noun !== undefined) return capital(message({ version: VERSIONS[noun]?.() ?? noun }));
	}
	return capital(phrase);
}

const capital = (text: string): string => text.charAt(0).toLocaleUpperCase() + text.slice(1);
