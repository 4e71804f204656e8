import type { Session } from '@songkeep/session';
import { createContext } from 'svelte';

export { Session, type Account } from '@songkeep/session';

export const [getSession, setSession] = createContext<Session>();
