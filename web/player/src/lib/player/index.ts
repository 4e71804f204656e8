import { createContext } from 'svelte';
import type { Player } from './player.svelte';

export { Player } from './player.svelte';
export type { PlayerDeps, PlayOptions } from './deps';
export type { PlayerError } from './notice.svelte';
export { playbackRates, sleepMinutes, type SleepChoice } from './sound.svelte';
export type { Job, QueueEntry, Repeat, Song } from './queue';

export const [getPlayer, setPlayer] = createContext<Player>();
