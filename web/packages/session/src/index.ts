/** Who is signed in, and calls of the API in their name. Both apps use it. */
export { createSessionApi } from './api';
export { browserEnv, storageOrNull, type SessionEnv } from './env';
export { problemOf, type Problem, type ProblemField } from './problem';
export { Session, type Account } from './session.svelte';
