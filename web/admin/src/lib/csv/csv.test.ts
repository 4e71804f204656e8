import { expect, test } from 'vitest';
import { csvCell, csvRecord } from './csv';
import { writeCsv } from './export';

test('values with commas, quotes and line ends are quoted', () => {
	expect(csvRecord(['a', 'b,c', 'say "hi"', 'two\nlines'])).toBe('a,"b,c","say ""hi""","two\nlines"\r\n');
});

test('text that a spreadsheet would run is made plain text', () => {
	expect(csvCell('=HYPERLINK("http://x")')).toBe(`"'=HYPERLINK(""http://x"")"`);
	for (const text of ['+1', '-1', '@SUM(A1)', '|cmd', '=1']) expect(csvCell(text)).toBe(`'${text}`);
	expect(csvCell('\t=1')).toBe(`'\t=1`);
	expect(csvCell('\r=1')).toBe(`"'\r=1"`);
	expect(csvCell('  =1')).toBe(`'  =1`);
	expect(csvCell('a=b')).toBe('a=b');
});

test('numbers stay numbers and nothing is nothing', () => {
	expect(csvRecord([-5, 0, true, null, undefined, ''])).toBe('-5,0,true,,,\r\n');
});

test('blanks at the ends survive', () => {
	expect(csvCell(' a ')).toBe('" a "');
});

const columns = [{ name: 'id', value: (row: { id: string }) => row.id }];

test('a file holds all pages below one head', async () => {
	const cursors: (string | null)[] = [];
	const written = await writeCsv((cursor) => {
		cursors.push(cursor);
		return Promise.resolve(
			cursor === null ? { rows: [{ id: 'a' }, { id: 'b' }], next: 'n' } : { rows: [{ id: 'c' }], next: null }
		);
	}, columns);
	expect(written.parts.join('')).toBe('\uFEFFid\r\na\r\nb\r\nc\r\n');
	expect([written.rows, written.cut, cursors]).toEqual([3, false, [null, 'n']]);
});

test('a file ends at the cap and says so', async () => {
	const endless = (cursor: string | null) =>
		Promise.resolve({ rows: [{ id: `${cursor}1` }, { id: `${cursor}2` }], next: `${cursor}+` });
	const written = await writeCsv(endless, columns, { maxRows: 3 });
	expect([written.rows, written.cut]).toEqual([3, true]);
});

test('a list that ends just at the cap is whole', async () => {
	const whole = () => Promise.resolve({ rows: [{ id: 'a' }, { id: 'b' }], next: null });
	expect((await writeCsv(whole, columns, { maxRows: 2 })).cut).toBe(false);
});

test('a failing page fails the export', async () => {
	await expect(writeCsv(() => Promise.reject(new TypeError('gone')), columns)).rejects.toThrow('gone');
});
