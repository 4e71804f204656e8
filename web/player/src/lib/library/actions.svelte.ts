/** What can be done with songs of the library, in menus, rows and the bar of a selection. */
import Disc3 from '@lucide/svelte/icons/disc-3';
import ExternalLink from '@lucide/svelte/icons/external-link';
import ListEnd from '@lucide/svelte/icons/list-end';
import ListStart from '@lucide/svelte/icons/list-start';
import MicVocal from '@lucide/svelte/icons/mic-vocal';
import Pencil from '@lucide/svelte/icons/pencil';
import Play from '@lucide/svelte/icons/play';
import Trash2 from '@lucide/svelte/icons/trash-2';
import { goto } from '$app/navigation';
import type { MenuItem, Toasts } from '@songkeep/ui';
import { problemOf } from '$lib/api';
import { m } from '$lib/paraglide/messages';
import type { Player } from '$lib/player';
import { sourcePage } from '$lib/search/link';
import type { Library, Song } from './library.svelte';
import { albumPath, artistPath } from './paths';
import type { SongPages } from './songs.svelte';

export class SongActions {
	/** The songs whose words are being edited. */
	editing = $state.raw<readonly Song[]>([]);
	readonly #library: Library;
	readonly #player: Player;
	readonly #toasts: Toasts;
	readonly #pages: SongPages;

	constructor(library: Library, player: Player, toasts: Toasts, pages: SongPages) {
		this.#library = library;
		this.#player = player;
		this.#toasts = toasts;
		this.#pages = pages;
	}

	/** Plays the list from a row on; further pages follow by themselves. Without a word on it shuffle stays as it is. */
	playFrom(index: number, shuffle?: boolean): void {
		const pages = this.#pages;
		this.#player.play(pages.rows, index, {
			shuffle,
			more: async () => {
				const known = pages.rows.length;
				await pages.more();
				return pages.rows.slice(known);
			}
		});
	}

	playNext(songs: readonly Song[]): void {
		this.#player.playNext(songs);
		this.#toasts.show({ text: m.library_next_done({ count: songs.length }) });
	}

	enqueue(songs: readonly Song[]): void {
		this.#player.enqueue(songs);
		this.#toasts.show({ text: m.library_queued({ count: songs.length }) });
	}

	edit(songs: readonly Song[]): void {
		this.editing = songs;
	}

	/** At once, with a way back. */
	async remove(songs: readonly Song[]): Promise<void> {
		const before = this.#pages.rows;
		this.#pages.drop(new Set(songs.map((song) => song.id)));
		try {
			for (const song of songs) await this.#library.remove(song.id);
		} catch (error) {
			this.#pages.edit(before, songs.length);
			this.#toasts.show({ text: problemOf(error).detail, tone: 'bad' });
			return;
		}
		const [first] = songs;
		const text =
			songs.length === 1 && first
				? m.library_removed_one({ title: first.title })
				: m.library_removed({ count: songs.length });
		const run = () => void this.#bringBack(songs);
		this.#toasts.show({ text, action: { label: m.library_undo(), run } });
	}

	menu(songs: readonly Song[], index: number): MenuItem[] {
		const [song] = songs;
		if (!song) return [];
		const isOne = songs.length === 1;
		const page = sourcePage(song.source_provider, song.source_id);
		const items: MenuItem[] = [
			{
				label: m.library_play(),
				icon: Play,
				keys: 'Enter',
				onselect: () => (isOne ? this.playFrom(index) : this.#player.play(songs))
			},
			{ label: m.library_play_next(), icon: ListStart, onselect: () => this.playNext(songs) },
			{ label: m.library_enqueue(), icon: ListEnd, onselect: () => this.enqueue(songs) },
			'separator'
		];
		const { artist, album } = song;
		if (isOne && artist) {
			items.push({
				label: m.library_to_artist(),
				icon: MicVocal,
				onselect: () => void goto(artistPath(artist))
			});
		}
		if (isOne && album) {
			const go = () => void goto(albumPath(album, artist));
			items.push({ label: m.library_to_album(), icon: Disc3, onselect: go });
		}
		if (isOne && page) {
			const open = () => window.open(page, '_blank', 'noopener,noreferrer');
			items.push({ label: m.library_source(), icon: ExternalLink, onselect: open });
		}
		items.push({ label: m.library_edit(), icon: Pencil, onselect: () => this.edit(songs) }, 'separator', {
			label: m.library_remove(),
			icon: Trash2,
			danger: true,
			keys: 'Del',
			onselect: () => void this.remove(songs)
		});
		return items;
	}

	async #bringBack(songs: readonly Song[]): Promise<void> {
		try {
			for (const song of songs) await this.#library.restore(song.id);
			await this.#pages.refresh();
		} catch (error) {
			this.#toasts.show({ text: problemOf(error).detail, tone: 'bad' });
		}
	}
}
