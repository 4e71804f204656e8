/** What an administrator does in a quiet hour, and what others see of it. */
import AxeBuilder from '@axe-core/playwright';
import type { Page } from '@playwright/test';
import { readFile } from 'node:fs/promises';
import { PASSWORD, type Songkeep } from '../support/songkeep.ts';
import { expect, signIn, test } from '../support/test.ts';

const ADMIN = 'ruth@example.com';

/** Makes the administrator by the link that the server prints, and ends on the overview. */
async function setUp(page: Page, songkeep: Songkeep): Promise<void> {
	await page.goto(await songkeep.setupLink());
	await page.getByLabel('Email address').fill(ADMIN);
	await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
	await page.getByRole('button', { name: 'Make the administrator' }).click();
	await expect(page.getByRole('navigation', { name: 'Main' }).first()).toBeVisible();
	await page.goto(`${songkeep.url}/admin`);
	await expect(page.getByRole('heading', { name: 'Overview' })).toBeVisible();
}

test.describe('the administrator', () => {
	// The browser logs the refusal to disable one's own account.
	test.use({ expected: /409/ });

	test('looks after users, imports and songs', async ({ page, songkeep }) => {
		const token = await songkeep.signUp('ada@example.com');
		await songkeep.importSongs(token, 'paper keeper', 1);
		await setUp(page, songkeep);
		await expect(page.getByRole('img', { name: 'Requests over time' })).toBeVisible();

		await page.getByRole('link', { name: 'Users' }).click();
		const ada = page.getByRole('row').filter({ hasText: 'ada@example.com' });
		await ada.getByRole('button', { name: 'Actions for ada@example.com' }).click();
		await page.getByRole('menuitem', { name: 'Disable account' }).click();
		await page.getByRole('dialog').getByRole('button', { name: 'Disable account' }).click();
		await expect(ada).toContainText('Disabled');
		await expect(songkeep.tokenOf('ada@example.com')).rejects.toThrow();
		await ada.getByRole('button', { name: 'Actions for ada@example.com' }).click();
		await page.getByRole('menuitem', { name: 'Enable account' }).click();
		await expect(ada).not.toContainText('Disabled');
		await songkeep.tokenOf('ada@example.com');

		const own = page.getByRole('row').filter({ hasText: ADMIN });
		await own.getByRole('button', { name: `Actions for ${ADMIN}` }).click();
		await page.getByRole('menuitem', { name: 'Disable account' }).click();
		await page.getByRole('dialog').getByRole('button', { name: 'Disable account' }).click();
		await expect(page.getByRole('alert')).toContainText('You cannot disable your own account');
		await page.getByRole('button', { name: 'Leave it' }).click();

		await page.getByRole('link', { name: 'Imports' }).click();
		await expect(page.getByRole('row').nth(1)).toContainText('Completed');
		await expect(page.getByRole('row').nth(1)).toContainText('ada@example.com');

		await page.getByRole('link', { name: 'Songs' }).click();
		await expect(page.getByRole('row')).toHaveCount(2);
		const saved = page.waitForEvent('download');
		await page.getByRole('button', { name: 'Export CSV' }).click();
		const file = await readFile(await (await saved).path(), 'utf8');
		expect(file).toContain('id,title,artist');
		expect(file.trim().split('\r\n')).toHaveLength(2);
		await page.getByRole('button', { name: /^Delete .* for everyone$/ }).click();
		const dialog = page.getByRole('dialog');
		const remove = dialog.getByRole('button', { name: 'Delete song for everyone' });
		await expect(remove).toBeDisabled();
		await dialog.getByLabel('Type “delete” to go on').fill('delete');
		await remove.click();
		await expect(page.getByRole('heading', { name: 'No songs yet' })).toBeVisible();

		await page.getByRole('link', { name: 'Record' }).click();
		await expect(page.getByRole('row').filter({ hasText: 'song.delete' })).toContainText(ADMIN);
		await page.getByRole('searchbox').fill('user.disable');
		await expect(page.getByRole('row')).toHaveCount(2);
		await expect(page).toHaveURL(/q=user\.disable/);
	});
});

test.describe('somebody without the role', () => {
	// The browser logs the refusal that this is about.
	test.use({ expected: /403/ });

	test('gets a friendly page and finds back to the music', async ({ page, songkeep }) => {
		await songkeep.signUp('ada@example.com');
		await signIn(page, songkeep, 'ada@example.com');
		await page.goto(`${songkeep.url}/admin/users`);
		await expect(page.getByRole('heading', { name: 'This part is for administrators' })).toBeVisible();
		await expect(page.getByText('ada@example.com')).toBeVisible();
		await page.getByRole('link', { name: 'Back to the music' }).click();
		await expect(page.getByRole('navigation', { name: 'Main' }).first()).toBeVisible();
	});

	test('signs in first and then comes where they wanted to go', async ({ page, songkeep }) => {
		await songkeep.signUp('ada@example.com');
		await page.goto(`${songkeep.url}/admin/jobs`);
		await page.getByLabel('Email address').fill('ada@example.com');
		await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
		await page.getByRole('button', { name: 'Sign in' }).click();
		await expect(page).toHaveURL(/\/admin\/jobs$/);
		await expect(page.getByRole('heading', { name: 'This part is for administrators' })).toBeVisible();
	});
});

for (const colorScheme of ['dark', 'light'] as const) {
	test(`pages are accessible when it is ${colorScheme}`, async ({ page, songkeep }) => {
		await page.emulateMedia({ colorScheme });
		const token = await songkeep.signUp('ada@example.com');
		await songkeep.importSongs(token, 'paper keeper', 2);
		await setUp(page, songkeep);
		for (const name of ['Overview', 'Users', 'Imports', 'Songs', 'Record']) {
			await page.getByRole('link', { name, exact: true }).click();
			await expect(page.getByRole('heading', { name, level: 1 })).toBeVisible();
			await expect(page.locator('[aria-busy="true"]')).toHaveCount(0);
			const { violations } = await new AxeBuilder({ page }).analyze();
			expect(
				violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`),
				name
			).toEqual([]);
		}
	});
}
