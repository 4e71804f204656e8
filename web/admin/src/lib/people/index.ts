/** Whose an id is. The API names accounts in jobs and in the record by their ids only. */
import { createContext } from 'svelte';

export { People } from './people.svelte';
import type { People } from './people.svelte';

export const [getPeople, setPeople] = createContext<People>();
