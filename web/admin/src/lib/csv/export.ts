/** A whole list as a file, asked for page by page. */
import type { FetchPage } from '$lib/table/pages.svelte';
import { csvRecord, type Value } from './csv';

export interface CsvColumn<Row> {
	/** The same in every language: programs read these files. */
	name: string;
	value: (row: Row) => Value;
}

/** More than that is a job for a database. */
export const MAX_ROWS = 50_000;

/** Spreadsheets take a file for UTF-8 by it. */
const BOM = '\uFEFF';

export interface Written {
	parts: string[];
	rows: number;
	/** True when there would have been more than may be. */
	cut: boolean;
}

export async function writeCsv<Row>(
	fetchPage: FetchPage<Row>,
	columns: readonly CsvColumn<Row>[],
	{ maxRows = MAX_ROWS, onrows }: { maxRows?: number; onrows?: (rows: number) => void } = {}
): Promise<Written> {
	const parts = [BOM + csvRecord(columns.map((column) => column.name))];
	let rows = 0;
	let cursor: string | null = null;
	do {
		const page = await fetchPage(cursor);
		const taken = page.rows.slice(0, maxRows - rows);
		parts.push(taken.map((row) => csvRecord(columns.map((column) => column.value(row)))).join(''));
		rows += taken.length;
		onrows?.(rows);
		if (taken.length < page.rows.length || (rows >= maxRows && page.next !== null)) {
			return { parts, rows, cut: true };
		}
		// A cursor that does not move would go on for ever.
		if (page.next === cursor) break;
		cursor = page.next;
	} while (cursor !== null);
	return { parts, rows, cut: false };
}

export function saveCsv(parts: string[], name: string): void {
	const address = URL.createObjectURL(new Blob(parts, { type: 'text/csv;charset=utf-8' }));
	const link = document.createElement('a');
	link.href = address;
	link.download = name;
	link.click();
	// The browser reads it after the click.
	setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
