/** Comma-separated values by RFC 4180, safe to open in a spreadsheet. */

export type Value = string | number | boolean | null | undefined;

/** What a spreadsheet takes for a formula; also behind blanks, which some of them skip. */
const FORMULA = /^[\s\0]*[=+\-@\t\r|]/u;
const NEEDS_QUOTES = /[",\r\n]/;

export function csvCell(value: Value): string {
	if (value === null || value === undefined) return '';
	// Numbers and truth values are ours; only text can carry a formula.
	if (typeof value !== 'string') return String(value);
	const safe = FORMULA.test(value) || /^[\t\r\n]/.test(value) ? `'${value}` : value;
	return NEEDS_QUOTES.test(safe) || safe !== safe.trim() ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** A record with its line end. */
export function csvRecord(values: readonly Value[]): string {
	return `${values.map(csvCell).join(',')}\r\n`;
}
