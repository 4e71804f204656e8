/** The player as the page sees it: what is on, what comes, and what a listener can do with it. */
import { untrack } from 'svelte';
import type { LibraryEvent } from '$lib/events';
import { m } from '$lib/paraglide/messages';
import type { PlayerDeps, PlayOptions } from './deps';
import type { Track } from './engine';
import { Keeper } from './keeper';
import { Notice, type PlayerError } from './notice.svelte';
import * as q from './queue';
import type { Job, Queue, QueueEntry, Random, Repeat, Song } from './queue';
import { findSong, songOfJob } from './lookup';
import { Sound } from './sound.svelte';
import { trackOf } from './source';
import { OnlyOneTab, openChannel } from './tabs';

/** Pressing "previous" later than this starts the song again. */
const RESTART_AFTER_S = 3;
/** So many songs in a row may be lost before the player stops trying. */
const MAX_LOST = 4;
const HISTORY = 100;
/** Covers' addresses end after a day: what was kept for longer than this is asked for anew. */
const OLD_MS = 12 * 3600_000;

export class Player extends Sound {
	#queue = $state.raw<Queue>(q.emptyQueue);
	#history = $state.raw<readonly Song[]>([]);
	/** The import that is to play as soon as it is there. */
	#wished = $state<string | null>(null);
	readonly #current = $derived(q.currentOf(this.#queue));
	readonly #upcoming = $derived(q.upcomingOf(this.#queue));

	readonly #deps: PlayerDeps;
	readonly #random: Random;
	readonly #tab: OnlyOneTab;
	readonly #keeper: Keeper;
	readonly #notice: Notice;
	readonly #stops: (() => void)[];
	/** The queue as it will be after the current song; decided ahead, so that what was fetched is what plays. */
	#after: Queue | null = null;
	#lost = 0;
	/** Raised when another list is played: late pages of the last one are not wanted then. */
	#list = 0;

	constructor(deps: PlayerDeps) {
		super(deps);
		this.#deps = deps;
		this.#random = deps.random ?? Math.random;
		this.#notice = new Notice(this.clock);
		this.#tab = new OnlyOneTab(deps.channel ?? openChannel, () => this.pause());
		this.#keeper = new Keeper(this.memory, this.clock, () => ({
			queue: this.#queue,
			history: this.#history,
			songId: this.current?.id ?? null,
			position: this.position
		}));
		this.onchange = () => {
			if (this.playing) this.#keeper.placeChanged();
		};
		this.#stops = [
			deps.events.on('library', (event) => this.#hearLibrary(event)),
			deps.events.on('job', (job) => this.#hearJob(job)),
			deps.imports.onSettled((job) => void this.#settled(job)),
			deps.session.onEnd(() => this.#signedOut()),
			$effect.root(() => {
				$effect(() => {
					const user = deps.session.state === 'signed-in' ? (deps.session.user?.id ?? null) : null;
					if (user !== null) untrack(() => this.#signedIn(user));
				});
				$effect(() => {
					if (deps.events.online) untrack(() => this.engine.retryNow());
				});
			})
		];
	}

	get current(): Song | null {
		return this.#current?.song ?? null;
	}

	/** Another one each time that a song is queued. */
	get currentKey(): string | null {
		return this.#current?.key ?? null;
	}

	/** What comes after the current song, in order. */
	get queue(): readonly QueueEntry[] {
		return this.#upcoming;
	}

	/** What was played, the latest first. */
	get history(): readonly Song[] {
		return this.#history;
	}

	get error(): PlayerError | null {
		return this.#notice.error;
	}

	/** An import that plays by itself once it is there. */
	get awaiting(): Job | null {
		if (this.#wished === null) return null;
		const entry = this.#upcoming.find((one) => one.kind === 'import' && one.job.id === this.#wished);
		return entry?.kind === 'import' ? entry.job : null;
	}

	get shuffle(): boolean {
		return q.isShuffled(this.#queue);
	}

	set shuffle(on: boolean) {
		this.#edit(q.withShuffle(this.#queue, on, this.#random));
	}

	get repeat(): Repeat {
		return this.#queue.repeat;
	}

	set repeat(repeat: Repeat) {
		this.#edit(q.withRepeat(this.#queue, repeat));
	}

	/** Plays a list from `start` on, or shuffled from anywhere. */
	play(songs: readonly Song[], start?: number, { shuffle, more }: PlayOptions = {}): void {
		if (songs.length === 0) return;
		const mixed = shuffle ?? this.shuffle;
		const first = start ?? (mixed ? Math.floor(this.#random() * songs.length) : 0);
		this.#lost = 0;
		this.#go(q.replaced(this.#queue, songs, first, mixed, this.#random));
		void this.#follow(++this.#list, more);
	}

	/** Plays a song of the queue now, by its place in `queue`. */
	playAt(at: number): void {
		const entry = this.#upcoming[at];
		if (entry?.kind === 'import') this.playWhenReady(entry.job);
		else if (entry) this.#go(q.jumped(this.#queue, this.#queue.index + 1 + at));
	}

	playNext(songs: readonly Song[]): void {
		this.#edit(q.playedNext(this.#queue, songs));
	}

	enqueue(songs: readonly Song[]): void {
		this.#edit(q.enqueued(this.#queue, songs));
	}

	toggle(): void {
		if (this.playing) this.pause();
		else this.resume();
	}

	resume(): void {
		if (this.#current === null) return this.next();
		this.#tab.claim();
		this.engine.resume();
	}

	pause(): void {
		this.engine.pause();
		this.#keeper.place();
	}

	next(): void {
		const queue = q.advanced(this.#queue, false, this.#random);
		if (queue !== null) return this.#go(queue);
		if (this.#current === null) return;
		this.engine.pause();
		this.seek(0);
	}

	previous(): void {
		const queue = this.position > RESTART_AFTER_S ? null : q.retreated(this.#queue);
		if (queue === null) this.seek(0);
		else this.#go(queue);
	}

	/** Takes one out of `queue`. */
	removeAt(at: number): void {
		this.#edit(q.removedAt(this.#queue, this.#queue.index + 1 + at));
	}

	/** Takes the song out that is on; the next one plays in its place. */
	removeCurrent(): void {
		if (this.#current !== null) this.#edit(q.removedAt(this.#queue, this.#queue.index));
	}

	/** Both are places in `queue`. */
	move(from: number, to: number): void {
		const first = this.#queue.index + 1;
		this.#edit(q.moved(this.#queue, first + from, first + to));
	}

	/** Everything that is to come goes; what it returns brings it back. */
	clear(): () => void {
		const cleared = this.#upcoming;
		this.#list++;
		this.#wished = null;
		this.#edit(q.cleared(this.#queue));
		return () => this.#edit(q.reinstated(this.#queue, cleared));
	}

	/** The song of an import, now or as soon as it is there. */
	playWhenReady(job: Job): void {
		this.#wished = job.id;
		this.#edit(q.awaited(this.#queue, job));
		if (job.status !== 'queued' && job.status !== 'processing') void this.#settled(job);
	}

	dismissError(): void {
		this.#notice.dismiss();
	}

	override dispose(): void {
		this.#keeper.dispose();
		for (const stop of this.#stops) stop();
		this.#notice.dismiss();
		this.#tab.dispose();
		super.dispose();
	}

	/** Puts the queue's current song on and plays it. */
	#go(queue: Queue, play = true): void {
		const entry = q.currentOf(queue);
		if (entry === null) return;
		this.#take(queue);
		this.#wished = null;
		this.dismissError();
		if (play) this.#tab.claim();
		this.engine.load(trackOf(entry), { play });
		this.#lookAhead();
	}

	/** A changed queue in which the current song goes on, unless it is the one that has gone. */
	#edit(queue: Queue): void {
		const before = this.#current;
		const now = q.currentOf(queue);
		this.#take(queue);
		if (now === null) this.engine.stop();
		else if (now.key !== before?.key)
			this.engine.load(trackOf(now), { play: before !== null && this.playing });
		this.#lookAhead();
	}

	#take(queue: Queue): void {
		const before = this.#current;
		if (before !== null && q.currentOf(queue)?.song.id !== before.song.id) this.#remember(before.song);
		this.#queue = queue;
		this.#keeper.queueChanged();
	}

	#remember(song: Song): void {
		const others = this.#history.filter(({ id }) => id !== song.id);
		this.#history = [song, ...others].slice(0, HISTORY);
	}

	#lookAhead(): void {
		this.#after = q.advanced(this.#queue, true, this.#random);
		const next = this.#after && q.currentOf(this.#after);
		this.engine.setNext(next && trackOf(next));
	}

	/** The rest of a list, page by page, as long as it is still what is played. */
	async #follow(list: number, more: PlayOptions['more']): Promise<void> {
		while (more && list === this.#list) {
			const songs = await more().catch(() => []);
			if (songs.length === 0 || list !== this.#list) return;
			this.#edit(q.extended(this.#queue, songs, this.#random));
		}
	}

	protected override advanced(): void {
		if (this.#after === null) return;
		this.#lost = 0;
		this.#take(this.#after);
		this.#lookAhead();
	}

	protected override finished(): void {
		const slept = this.sleepsAtSongEnd;
		if (slept) this.sleepIn(null);
		if (this.#after !== null && slept) this.#go(this.#after, false);
	}

	protected override lost(track: Track, current: boolean, why: 'gone' | 'unplayable'): void {
		const { title } = track;
		if (!current) {
			// Nobody waits for it yet: it is tried again when its time comes.
			if (why === 'unplayable') return;
			this.#removed(track.songId);
			return this.#notice.show(m.player_error_gone({ title: track.title }), null);
		}
		if (++this.#lost > MAX_LOST) this.engine.pause();
		else if (why === 'gone') this.#removed(track.songId);
		else this.#skip();
		const stuck = this.current?.id === track.songId;
		const text = why === 'gone' ? m.player_error_gone({ title }) : m.player_error_unplayable({ title });
		this.#notice.show(text, stuck ? () => this.resume() : null);
	}

	#skip(): void {
		const queue = q.advanced(this.#queue, false, this.#random);
		if (queue === null || q.currentOf(queue)?.key === this.#current?.key) this.engine.pause();
		else this.#go(queue);
	}

	#hearJob(job: Job): void {
		if (this.#awaits(job)) this.#take(q.withJob(this.#queue, job));
	}

	#awaits(job: Job): boolean {
		return this.#queue.entries.some((entry) => entry.kind === 'import' && entry.job.id === job.id);
	}

	async #settled(job: Job): Promise<void> {
		if (!this.#awaits(job)) return;
		const wished = this.#wished === job.id;
		if (job.status !== 'completed' || !job.song_id) {
			this.#edit(q.without(this.#queue, (entry) => entry.kind === 'import' && entry.job.id === job.id));
			if (wished) this.#wished = null;
			if (job.status === 'failed')
				this.#notice.show(job.failure_reason ?? m.player_error_import(), () => this.#again(job));
			return;
		}
		const song =
			this.#deps.imports.songOf(job.song_id) ?? (await songOfJob(this.#deps.api, job, job.song_id));
		if (!this.#awaits(job)) return;
		const queue = q.arrived(this.#queue, job.id, song);
		// Something else may have been chosen while the song was looked up.
		if (this.#wished !== job.id) return this.#edit(queue);
		const at = this.#queue.entries.findIndex((entry) => entry.kind === 'import' && entry.job.id === job.id);
		this.#go(q.jumped(q.moved(queue, at, queue.index + 1), queue.index + 1));
	}

	#again(job: Job): void {
		void this.#deps.imports.retry(job.id).then(
			() => this.playWhenReady({ ...job, status: 'queued', progress: 0 }),
			() => this.#notice.show(m.player_error_import(), () => this.#again(job))
		);
	}

	#hearLibrary({ change, song_id: id, song }: LibraryEvent): void {
		if (change === 'removed') {
			this.#removed(id);
		} else if (change === 'updated' && song) this.#update(song);
	}

	/** A song has left the library. */
	#removed(id: string): void {
		const unwanted = (entry: QueueEntry) => entry.kind === 'song' && entry.song.id === id;
		if (this.#queue.entries.some(unwanted)) this.#edit(q.without(this.#queue, unwanted));
		this.#history = this.#history.filter((one) => one.id !== id);
	}

	#update(song: Song): void {
		this.#history = this.#history.map((one) => (one.id === song.id ? song : one));
		this.#take(q.withSong(this.#queue, song));
		if (this.#current?.song.id === song.id) this.engine.redescribe(trackOf(this.#current));
	}

	#signedIn(user: string): void {
		if (user === this.#keeper.user) return;
		if (this.#keeper.user !== null) this.#signedOut();
		const saved = this.#keeper.begin(user);
		const entry = saved && q.currentOf(saved.queue);
		if (!entry || this.#current !== null) return;
		this.#queue = saved.queue;
		this.#history = saved.history;
		this.engine.load(trackOf(entry), { at: saved.position, play: false });
		this.#lookAhead();
		if (this.clock.now() - saved.savedAt > OLD_MS) void this.#refresh(entry.song);
	}

	async #refresh({ id, title }: Song): Promise<void> {
		const song = await findSong(this.#deps.api, id, title);
		if (song !== null) this.#update(song);
	}

	#signedOut(): void {
		this.#keeper.forget();
		this.#list++;
		this.#wished = null;
		this.#history = [];
		this.#queue = q.emptyQueue;
		this.dismissError();
		this.sleepIn(null);
		this.engine.stop();
		this.#lookAhead();
	}
}
