/** Several tabs of one browser: one session, one song at a time. */
import { expect, heard, listen, signIn, test } from '../support/test.ts';

const EMAIL = 'ada@example.com';

test('only one of two tabs plays, and signing out ends both', async ({ context, page, songkeep }) => {
	const token = await songkeep.signUp(EMAIL);
	await songkeep.importSongs(token, 'paper', 1);
	const other = await context.newPage();
	for (const tab of [page, other]) await listen(tab);
	await signIn(page, songkeep, EMAIL);
	await page.goto(`${songkeep.url}/library`);
	await other.goto(`${songkeep.url}/library`);
	await page.getByRole('row').first().dblclick();
	await expect.poll(async () => (await heard(page)).time).toBeGreaterThan(0.3);
	await other.getByRole('row').first().dblclick();
	await expect.poll(async () => (await heard(other)).time).toBeGreaterThan(0.3);
	await expect.poll(async () => (await heard(page)).paused).toBe(true);

	await other
		.getByRole('button', { name: /Account$/ })
		.first()
		.click();
	await other.getByRole('menuitem', { name: 'Sign out' }).click();
	for (const tab of [page, other]) await expect(tab).toHaveURL(/\/signin/);
	expect((await heard(other)).paused).toBe(true);
});

for (const host of ['localhost', 'keep.lan']) {
	test.describe(`at http://${host}`, () => {
		// The header that separates windows means nothing there, and Chromium says so.
		test.use({ expected: /Cross-Origin-Opener-Policy header has been ignored/ });

		test('five tabs restored at once stay signed in', async ({ context, page, songkeep }) => {
			const base = songkeep.url.replace('localhost', host);
			await songkeep.signUp(EMAIL);
			await page.goto(`${base}/signin`);
			await page.getByLabel('Email address').fill(EMAIL);
			await page.getByLabel('Password', { exact: true }).fill('correct horse battery');
			await page.getByRole('button', { name: 'Sign in' }).click();
			await expect(page.getByRole('navigation', { name: 'Main' }).first()).toBeVisible();
			expect(await page.evaluate(() => window.isSecureContext)).toBe(host === 'localhost');
			const tabs = [page, ...(await Promise.all([1, 2, 3, 4].map(() => context.newPage())))];
			for (let round = 0; round < 2; round += 1) {
				await Promise.all(tabs.map((tab) => tab.goto(`${base}/library`)));
				for (const tab of tabs)
					await expect(tab.getByRole('heading', { name: 'Library', level: 1 })).toBeVisible();
			}
		});
	});
}
