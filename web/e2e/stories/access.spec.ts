/** Everybody can use every view: no violation that axe knows of, by night and by day; and in another language. */
import AxeBuilder from '@axe-core/playwright';
import { expect, signIn, test } from '../support/test.ts';

const EMAIL = 'ada@example.com';
const WAYS_IN = ['/signin', '/signup', '/forgot', '/reset', '/verify'];
const VIEWS = [
	'/',
	'/search',
	'/search?q=paper',
	'/library',
	'/library/albums',
	'/library/artists',
	'/imports',
	'/settings',
	'/welcome',
	'/now-playing',
	'/queue',
	'/nowhere'
];

for (const theme of ['dark', 'light'] as const) {
	test.describe(theme, () => {
		test.use({ colorScheme: theme });

		test('no view has a violation', async ({ page, songkeep }) => {
			test.setTimeout(180_000);
			const token = await songkeep.signUp(EMAIL);
			await songkeep.importSongs(token, 'paper', 3);
			const look = async (path: string) => {
				await page.goto(songkeep.url + path);
				await expect(page.locator('#main')).toBeVisible();
				await expect(page.locator('[aria-busy="true"]')).toHaveCount(0);
				const { violations } = await new AxeBuilder({ page }).analyze();
				const told = violations.map(
					({ id, nodes }) => `${path} ${id}: ${nodes.map((node) => node.html).join(' | ')}`
				);
				expect.soft(told, path).toEqual([]);
			};
			for (const path of WAYS_IN) await look(path);
			await signIn(page, songkeep, EMAIL);
			await page.goto(`${songkeep.url}/library`);
			await page.getByRole('row').first().dblclick();
			for (const path of VIEWS) await look(path);
		});
	});
}

test.describe('in German', () => {
	test.use({ locale: 'de-DE' });

	test('the page speaks the language of its reader, and another one when told', async ({
		page,
		songkeep
	}) => {
		await songkeep.signUp(EMAIL);
		await page.goto(`${songkeep.url}/signin`);
		await expect(page.getByRole('heading', { name: 'Willkommen zurück' })).toBeVisible();
		expect(await page.evaluate(() => document.documentElement.lang)).toBe('de');
		await page.getByLabel('E-Mail-Adresse').fill(EMAIL);
		await page.getByLabel('Passwort', { exact: true }).fill('correct horse battery');
		await page.getByRole('button', { name: 'Anmelden' }).click();
		await expect(page.getByRole('link', { name: 'Bibliothek' }).first()).toBeVisible();
		await page.goto(`${songkeep.url}/settings`);
		await page.getByRole('radio', { name: 'English' }).check();
		await expect(page.getByRole('heading', { name: 'Settings' })).toBeVisible();
	});
});
