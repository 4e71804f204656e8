import type { Component } from 'svelte';

/** An icon of Lucide. */
export type Icon = Component<{
	size?: number | string;
	strokeWidth?: number | string;
	class?: string;
	fill?: string;
}>;

/** A line of a menu. */
export type MenuItem =
	| 'separator'
	| {
			label: string;
			icon?: Icon;
			onselect: () => void;
			danger?: boolean;
			disabled?: boolean;
			/** Keys that do the same, as they are shown: `Ctrl K`. */
			keys?: string;
	  };
