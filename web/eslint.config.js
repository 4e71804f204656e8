import js from '@eslint/js';
import svelte from 'eslint-plugin-svelte';
import globals from 'globals';
import ts from 'typescript-eslint';

export default ts.config(
	{
		ignores: [
			'**/build/',
			'**/.svelte-kit/',
			'**/paraglide/',
			'**/test-results/',
			'**/playwright-report/',
			'**/schema.d.ts'
		]
	},
	js.configs.recommended,
	...ts.configs.strict,
	...svelte.configs.recommended,
	{
		languageOptions: { globals: { ...globals.browser, ...globals.node } },
		rules: {
			// TypeScript knows every name.
			'no-undef': 'off',
			'@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
			'no-restricted-globals': ['error', { name: 'fetch', message: 'Call the API through $lib/api.' }],
			'svelte/no-at-html-tags': 'error',
			// Sets and maps that nothing is drawn from are plain ones.
			'svelte/prefer-svelte-reactivity': 'off'
		}
	},
	{
		files: ['**/*.svelte', '**/*.svelte.ts'],
		languageOptions: { parserOptions: { parser: ts.parser, extraFileExtensions: ['.svelte'] } }
	},
	{
		// The player is at the root of its host, so that its addresses are as they stand.
		files: ['player/**', 'packages/**'],
		rules: { 'svelte/no-navigation-without-resolve': 'off' }
	},
	{
		// The places that speak to the server, and programs that are no page.
		files: [
			'**/lib/api/**',
			'**/lib/session/**',
			'**/lib/events/**',
			'packages/session/**',
			'**/service-worker/**',
			'e2e/**',
			'**/*.test.ts'
		],
		rules: { 'no-restricted-globals': 'off' }
	}
);
