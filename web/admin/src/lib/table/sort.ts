/** Order within what is loaded. The API's own order is newest first. */

export type Key = string | number | boolean | null | undefined;

export interface Order {
	column: string;
	down: boolean;
}

/** Rows without a value come last either way; equal ones keep the API's order. */
export function sorted<Row>(
	rows: readonly Row[],
	key: (row: Row) => Key,
	down: boolean,
	locale?: string
): Row[] {
	const words = new Intl.Collator(locale, { numeric: true, sensitivity: 'base' });
	return [...rows].sort((one, other) => {
		const a = key(one) ?? null;
		const b = key(other) ?? null;
		if (a === null || b === null) return Number(a === null) - Number(b === null);
		const by = typeof a === 'string' && typeof b === 'string' ? words.compare(a, b) : Number(a) - Number(b);
		return down ? -by : by;
	});
}

/** What the press of a column's head makes of the order: up, down, and back to the API's. */
export function nextOrder(order: Order | null, column: string): Order | null {
	if (order?.column !== column) return { column, down: false };
	return order.down ? null : { column, down: true };
}
