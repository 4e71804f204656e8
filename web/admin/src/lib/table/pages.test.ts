import { expect, test } from 'vitest';
import { Pages, type Page } from './pages.svelte';

interface Row {
	id: string;
	name?: string;
}

const rows = (...ids: string[]): Row[] => ids.map((id) => ({ id }));
const ids = (pages: Pages<Row>) => pages.rows.map((row) => row.id).join('');

/** A list of the server's that can change between two calls. */
function server(list: { all: Row[] }, size = 2) {
	return (cursor: string | null): Promise<Page<Row>> => {
		const start = cursor === null ? 0 : list.all.findIndex((row) => row.id === cursor) + 1;
		const found = list.all.slice(start, start + size);
		const last = found.at(-1);
		const next = last && start + size < list.all.length ? last.id : null;
		return Promise.resolve({ rows: found, next });
	};
}

test('pages follow each other until there are no more', async () => {
	const pages = new Pages<Row>();
	await pages.load(server({ all: rows('a', 'b', 'c') }));
	expect([ids(pages), pages.hasMore, pages.state]).toEqual(['ab', true, 'ready']);
	await pages.loadMore();
	expect([ids(pages), pages.hasMore]).toEqual(['abc', false]);
	await pages.loadMore();
	expect(ids(pages)).toBe('abc');
});

test('a row that comes with two pages is shown once', async () => {
	const pages = new Pages<Row>();
	await pages.load((cursor) =>
		Promise.resolve(
			cursor === null ? { rows: rows('a', 'b'), next: 'x' } : { rows: rows('b', 'c'), next: null }
		)
	);
	await pages.loadMore();
	expect(ids(pages)).toBe('abc');
});

test('the answer to an older filter does not overwrite that to the newer one', async () => {
	const pages = new Pages<Row>();
	let answerOld: (page: Page<Row>) => void = () => undefined;
	const old = pages.load(() => new Promise((resolve) => (answerOld = resolve)));
	await pages.load(server({ all: rows('n') }));
	answerOld({ rows: rows('o'), next: null });
	await old;
	expect(ids(pages)).toBe('n');
});

test('a first page that fails can be asked for again', async () => {
	const pages = new Pages<Row>();
	let fails = true;
	await pages.load(() =>
		fails ? Promise.reject(new TypeError('gone')) : Promise.resolve({ rows: rows('a'), next: null })
	);
	expect(pages.state).toBe('failed');
	fails = false;
	await pages.load();
	expect([ids(pages), pages.state, pages.error]).toEqual(['a', 'ready', null]);
});

test('a later page that fails keeps the rows and can be asked for again', async () => {
	const pages = new Pages<Row>();
	const good = server({ all: rows('a', 'b', 'c') });
	let fails = true;
	await pages.load((cursor) =>
		cursor !== null && fails ? Promise.reject(new TypeError('gone')) : good(cursor)
	);
	await pages.loadMore();
	expect([ids(pages), pages.state, pages.extending]).toEqual(['ab', 'ready', false]);
	expect(pages.error).toBeInstanceOf(TypeError);
	fails = false;
	await pages.loadMore();
	expect([ids(pages), pages.error]).toEqual(['abc', null]);
});

test('a refresh brings new rows, drops those that are gone and keeps the pages below', async () => {
	const list = { all: rows('b', 'c', 'd', 'e', 'f') };
	const pages = new Pages<Row>();
	await pages.load(server(list));
	await pages.loadMore();
	expect(ids(pages)).toBe('bcde');
	list.all = rows('a', 'c', 'd', 'e', 'f');
	await pages.refresh();
	expect(ids(pages)).toBe('acde');
	await pages.loadMore();
	expect(ids(pages)).toBe('acdef');
});

test('a refresh after more than a page of news starts the list afresh', async () => {
	const list = { all: rows('x', 'y') };
	const pages = new Pages<Row>();
	await pages.load(server(list));
	list.all = rows('a', 'b', 'c', 'x', 'y');
	await pages.refresh();
	await pages.loadMore();
	await pages.loadMore();
	expect(ids(pages)).toBe('abcxy');
});

test('rows change and go in their places', async () => {
	const pages = new Pages<Row>();
	await pages.load(server({ all: rows('a', 'b') }));
	pages.update('b', { name: 'new' });
	pages.remove('a');
	expect(pages.rows).toEqual([{ id: 'b', name: 'new' }]);
});
