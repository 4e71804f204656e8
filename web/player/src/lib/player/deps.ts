/** What the player is given to work with. */
import type { Api } from '$lib/api';
import type { EventFeed } from '$lib/events';
import type { Imports } from '$lib/imports';
import type { Session } from '$lib/session';
import type { Random, Song } from './queue';
import type { SoundDeps } from './sound.svelte';
import type { OpenChannel } from './tabs';

export interface PlayerDeps extends SoundDeps {
	api: Pick<Api, 'GET'>;
	events: Pick<EventFeed, 'on' | 'online'>;
	imports: Pick<Imports, 'onSettled' | 'songOf' | 'retry'>;
	session: Pick<Session, 'state' | 'user' | 'onEnd'>;
	random?: Random;
	channel?: OpenChannel;
}

export interface PlayOptions {
	shuffle?: boolean;
	/** Gives the next songs of the same list, and none when there are no more. */
	more?: () => Promise<readonly Song[]>;
}
