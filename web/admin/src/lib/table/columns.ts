import type { Key } from './sort';

export interface Column<Row> {
	id: string;
	label: string;
	/** Figures are at the end of their column. */
	figures?: boolean;
	/** What the column sorts by; without it, it does not. */
	sort?: (row: Row) => Key;
	/** Takes the room that is left. */
	grows?: boolean;
}
