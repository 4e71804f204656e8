import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Toasts } from './toasts.svelte';

describe('toasts', () => {
	beforeEach(() => vi.useFakeTimers());
	afterEach(() => vi.useRealTimers());

	it('go away by themselves, later when there is something to press', () => {
		const toasts = new Toasts();
		toasts.show({ text: 'Saved.' });
		toasts.show({ text: 'Removed.', action: { label: 'Undo', run: () => {} } });
		vi.advanceTimersByTime(6_000);
		expect(toasts.items.map((toast) => toast.text)).toEqual(['Removed.']);
		vi.advanceTimersByTime(5_000);
		expect(toasts.items).toEqual([]);
	});

	it('run their action once and are gone', () => {
		const toasts = new Toasts();
		const run = vi.fn();
		toasts.show({ text: 'Removed.', action: { label: 'Undo', run } });
		const [toast] = toasts.items;
		if (toast) toasts.act(toast);
		expect(run).toHaveBeenCalledOnce();
		expect(toasts.items).toEqual([]);
	});

	it('stay while somebody points at them', () => {
		const toasts = new Toasts();
		toasts.show({ text: 'Saved.' });
		toasts.hold();
		vi.advanceTimersByTime(60_000);
		expect(toasts.items).toHaveLength(1);
		toasts.release();
		vi.advanceTimersByTime(5_000);
		expect(toasts.items).toEqual([]);
	});

	it('are three at most', () => {
		const toasts = new Toasts();
		for (const text of ['1', '2', '3', '4']) toasts.show({ text });
		expect(toasts.items.map((toast) => toast.text)).toEqual(['2', '3', '4']);
	});
});
