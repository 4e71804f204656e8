import { createContext } from 'svelte';
import type { Library } from './library.svelte';

export { Library, type Song, type SongEdit } from './library.svelte';
export { SORTS, SongPages, type Sort, type SongQuery } from './songs.svelte';

export const [getLibrary, setLibrary] = createContext<Library>();
