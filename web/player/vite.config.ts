import { paraglideVitePlugin } from '@inlang/paraglide-js';
import adapter from '@sveltejs/adapter-static';
import { sveltekit } from '@sveltejs/kit/vite';
import { defineConfig } from 'vitest/config';
import { contentVersion } from '../content-version';

export default defineConfig({
	plugins: [
		paraglideVitePlugin({
			project: './project.inlang',
			outdir: './src/lib/paraglide',
			strategy: ['localStorage', 'preferredLanguage', 'baseLocale'],
			localStorageKey: 'songkeep.locale',
			isServer: 'false'
		}),
		sveltekit({
			alias: { $lib: 'src/lib' },
			adapter: adapter({ fallback: 'index.html', precompress: true }),
			version: { name: contentVersion('player') },
			// Only the page's own scripts by their hashes: the server reads them for its header.
			csp: { mode: 'hash', directives: { 'script-src': ['self'] } },
			paths: { relative: false }
		})
	],
	build: { target: 'es2023' },
	// The browser's side of Svelte, also in tests.
	resolve: process.env.VITEST ? { conditions: ['browser'] } : undefined,
	test: { include: ['src/**/*.test.ts'], environment: 'jsdom' }
});
