/** What an entry of the record says beside its action, on one line. */
export function detailLine(detail: Record<string, unknown>): string {
	return Object.entries(detail)
		.map(([name, value]) => `${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`)
		.join(' · ');
}
