/** From an empty server to a song that plays, as somebody does it on the first day. */
import type { Page } from '@playwright/test';
import { PASSWORD } from '../support/songkeep.ts';
import { expect, heard, listen, test } from '../support/test.ts';

const isHeard = (page: Page) => expect.poll(async () => (await heard(page)).time).toBeGreaterThan(0.3);

test('by mouse: account, search, import, play', async ({ page, songkeep }) => {
	await listen(page);
	await page.goto(songkeep.url);
	await expect(page).toHaveURL(/\/signin/);
	await page.getByRole('link', { name: 'Make an account' }).click();
	await page.getByLabel('Email address').fill('ada@example.com');
	await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
	await page.getByRole('button', { name: 'Make an account' }).click();

	await expect(page.getByRole('heading', { name: 'Three steps to your music' })).toBeVisible();
	await page.getByRole('link', { name: 'Find a first song' }).click();
	await page.getByRole('searchbox').fill('paper keeper');
	await page
		.getByRole('button', { name: /^Import / })
		.first()
		.click();
	const play = page.getByRole('button', { name: /^Play (?!as soon)/ }).first();
	await expect(play).toBeVisible({ timeout: 45_000 });
	await play.click();
	await isHeard(page);

	await page.getByRole('link', { name: 'Library' }).first().click();
	await expect(page.getByRole('row')).toHaveCount(1);
});

test('by keyboard alone', async ({ page, songkeep }) => {
	await listen(page);
	await page.goto(`${songkeep.url}/signup`);
	await expect(page.getByLabel('Email address')).toBeVisible();
	const reach = async (name: RegExp) => {
		const seen: string[] = [];
		for (let step = 0; step < 40; step += 1) {
			const words = await page.evaluate(() => {
				const focused = document.activeElement as HTMLElement | null;
				return focused?.getAttribute('aria-label') ?? focused?.innerText ?? '';
			});
			if (name.test(words)) return;
			seen.push(words.slice(0, 40));
			await page.keyboard.press('Tab');
		}
		throw new Error(`the keyboard does not reach ${name}, only ${seen.join(' · ')}`);
	};
	for (let step = 0; step < 20; step += 1) {
		await page.keyboard.press('Tab');
		const isThere = await page.evaluate(() => document.activeElement?.getAttribute('name') === 'email');
		if (isThere) break;
	}
	await page.keyboard.type('grace@example.com');
	await page.keyboard.press('Tab');
	await page.keyboard.type(PASSWORD);
	await page.keyboard.press('Enter');
	await expect(page.getByRole('heading', { name: 'Three steps to your music' })).toBeVisible();
	await page.keyboard.press('/');
	await expect(page.getByRole('searchbox')).toBeFocused();
	await page.keyboard.type('paper keeper');
	await expect(page.getByRole('button', { name: /^Import / }).first()).toBeVisible();
	await reach(/^Import /);
	await page.keyboard.press('Enter');
	await expect(page.getByRole('button', { name: /^Play (?!as soon)/ }).first()).toBeVisible({
		timeout: 45_000
	});
	await reach(/^Play (?!as soon)/);
	await page.keyboard.press('Enter');
	await isHeard(page);
	await page.keyboard.press('k');
	await expect.poll(async () => (await heard(page)).paused).toBe(true);
	await page.keyboard.press('?');
	await expect(page.getByRole('dialog')).toBeVisible();
	await page.keyboard.press('Escape');
	await expect(page.getByRole('dialog')).toBeHidden();
});

test.describe('on a phone', () => {
	test.use({ viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });

	test('the same, with tabs below and a small player', async ({ page, songkeep }) => {
		await listen(page);
		await songkeep.signUp('joan@example.com');
		await page.goto(songkeep.url);
		await page.getByLabel('Email address').fill('joan@example.com');
		await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
		await page.getByRole('button', { name: 'Sign in' }).tap();
		const tabs = page.getByRole('navigation', { name: 'Main' }).filter({ visible: true });
		await tabs.getByRole('link', { name: 'Search' }).tap();
		await expect(page).toHaveURL(/\/search/);
		await page.getByRole('searchbox').fill('paper keeper');
		await page
			.getByRole('button', { name: /^Import / })
			.first()
			.tap();
		const play = page.getByRole('button', { name: /^Play (?!as soon)/ }).first();
		await expect(play).toBeVisible({ timeout: 45_000 });
		await play.tap();
		await isHeard(page);
		await tabs.getByRole('link', { name: 'Library' }).tap();
		await expect(page.getByRole('row')).toHaveCount(1);
		const width = await page.evaluate(() => document.documentElement.scrollWidth);
		expect(width, 'nothing sticks out to the side').toBe(390);
	});
});
