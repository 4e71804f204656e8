/** Pictures of each main view, on a desktop and a phone, by night and by day. They go to target/screenshots. */
import { ROOT } from '../support/process.ts';
import { PASSWORD } from '../support/songkeep.ts';
import { expect, test } from '../support/test.ts';

const OUT = `${ROOT}target/screenshots`;
const SIZES = { desktop: { width: 1440, height: 900 }, phone: { width: 390, height: 844 } };
const VIEWS = {
	home: '/',
	search: '/search?q=paper',
	library: '/library',
	albums: '/library/albums',
	artists: '/library/artists',
	imports: '/imports',
	settings: '/settings',
	welcome: '/welcome',
	'now-playing': '/now-playing'
};

for (const theme of ['dark', 'light'] as const) {
	for (const [size, viewport] of Object.entries(SIZES)) {
		test.describe(`${size}, ${theme}`, () => {
			test.use({ colorScheme: theme, viewport, hasTouch: size === 'phone', isMobile: size === 'phone' });

			test('views', async ({ page, songkeep }) => {
				test.setTimeout(240_000);
				const shoot = async (name: string) => {
					await page.evaluate(() => document.fonts.ready);
					await expect(page.locator('[aria-busy="true"]')).toHaveCount(0);
					await page.screenshot({ path: `${OUT}/${name}-${size}-${theme}.png`, animations: 'disabled' });
				};
				await page.goto(`${songkeep.url}/signin`);
				await expect(page.getByRole('button', { name: 'Sign in' })).toBeVisible();
				await shoot('signin');
				const token = await songkeep.signUp('ada@example.com');
				for (const words of ['paper', 'tea', 'lune', 'over']) await songkeep.importSongs(token, words, 4);
				await page.getByLabel('Email address').fill('ada@example.com');
				await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
				await page.getByRole('button', { name: 'Sign in' }).click();
				await expect(page.getByRole('navigation', { name: 'Main' }).filter({ visible: true })).toBeVisible();
				await page.goto(`${songkeep.url}/library`);
				const row = page.getByRole('row').nth(2);
				if (size === 'phone') await row.tap();
				else await row.dblclick();
				for (const [name, path] of Object.entries(VIEWS)) {
					await page.goto(songkeep.url + path);
					await expect(page.getByRole('main')).toBeVisible();
					if (name === 'search')
						await expect(page.getByRole('button', { name: /^(Play|Import) / }).nth(4)).toBeVisible();
					await shoot(name);
				}
			});
		});
	}
}
