import { expect, test } from 'vitest';
import { nextOrder, sorted, type Order } from './sort';

test('words sort as people read them, with figures by their size', () => {
	const rows = ['Take 10', 'ähnlich', 'take 2', 'zebra'];
	expect(sorted(rows, (row) => row, false, 'de')).toEqual(['ähnlich', 'take 2', 'Take 10', 'zebra']);
	expect(sorted(rows, (row) => row, true, 'de')).toEqual(['zebra', 'Take 10', 'take 2', 'ähnlich']);
});

test('rows without a value come last in both directions', () => {
	const rows = [{ n: null }, { n: 2 }, { n: 1 }];
	expect(sorted(rows, (row) => row.n, false).map((row) => row.n)).toEqual([1, 2, null]);
	expect(sorted(rows, (row) => row.n, true).map((row) => row.n)).toEqual([2, 1, null]);
});

test('equal rows keep their order', () => {
	const rows = [
		{ id: 'b', n: 1 },
		{ id: 'a', n: 1 }
	];
	expect(sorted(rows, (row) => row.n, true).map((row) => row.id)).toEqual(['b', 'a']);
});

test('a head sorts up, down, and not at all', () => {
	let order: Order | null = nextOrder(null, 'email');
	expect(order).toEqual({ column: 'email', down: false });
	order = nextOrder(order, 'email');
	expect(order).toEqual({ column: 'email', down: true });
	expect(nextOrder(order, 'email')).toBeNull();
	expect(nextOrder(order, 'role')).toEqual({ column: 'role', down: false });
});
