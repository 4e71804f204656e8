export { askSearch } from './focus';
export { default as PasteCatcher } from './PasteCatcher.svelte';
