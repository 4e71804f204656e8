import { createContext } from 'svelte';
import type { Imports } from './imports.svelte';

export { Imports, type ImportRequest } from './imports.svelte';
export type { Job } from './job';

export const [getImports, setImports] = createContext<Imports>();
