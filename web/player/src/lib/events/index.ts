import { createContext } from 'svelte';
import type { EventFeed } from './feed.svelte';

export { EventFeed, type EventData, type EventKind, type LibraryEvent } from './feed.svelte';

export const [getEvents, setEvents] = createContext<EventFeed>();
