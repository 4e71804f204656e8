import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { applyTheme, followTheme, keptTheme } from './theme';

describe('the theme', () => {
	beforeEach(() => {
		localStorage.clear();
		vi.stubGlobal('matchMedia', () => new EventTarget());
	});
	afterEach(() => {
		vi.unstubAllGlobals();
		delete document.documentElement.dataset.theme;
	});

	it('is the system’s until somebody chooses', () => {
		expect(keptTheme()).toBe('system');
		localStorage.setItem('songkeep.theme', 'purple');
		expect(keptTheme()).toBe('system');
	});

	it('is kept and shown', () => {
		applyTheme('dark');
		expect(keptTheme()).toBe('dark');
		expect(document.documentElement.dataset.theme).toBe('dark');
		applyTheme('system');
		expect(keptTheme()).toBe('system');
		expect(document.documentElement.dataset.theme).toBeUndefined();
	});

	it('works without storage', () => {
		vi.spyOn(Storage.prototype, 'setItem').mockImplementation(() => {
			throw new DOMException('refused', 'SecurityError');
		});
		applyTheme('light');
		expect(document.documentElement.dataset.theme).toBe('light');
		vi.restoreAllMocks();
	});

	it('follows the choice made in another tab', () => {
		const stop = followTheme();
		localStorage.setItem('songkeep.theme', 'light');
		window.dispatchEvent(new StorageEvent('storage', { key: 'songkeep.theme' }));
		expect(document.documentElement.dataset.theme).toBe('light');
		stop();
	});
});
