/** That songs are really heard, one after another, and go on when something is in the way. */
import type { Page } from '@playwright/test';
import { expect, heard, listen, signIn, test } from '../support/test.ts';
import type { Songkeep } from '../support/songkeep.ts';

const EMAIL = 'ada@example.com';

async function withSongs(page: Page, songkeep: Songkeep, count: number): Promise<string> {
	await listen(page);
	const token = await songkeep.signUp(EMAIL);
	await songkeep.importSongs(token, 'paper', count);
	await signIn(page, songkeep, EMAIL);
	await page.goto(`${songkeep.url}/library`);
	await expect(page.getByRole('row')).toHaveCount(count);
	return token;
}

const isHeard = (page: Page, from = 0.3) =>
	expect.poll(async () => (await heard(page)).time).toBeGreaterThan(from);
const place = (page: Page) =>
	page.getByRole('slider', { name: 'Place in the song' }).filter({ visible: true });

test('a song plays, and a seek lands where it was meant to', async ({ page, songkeep }) => {
	await withSongs(page, songkeep, 1);
	await page.getByRole('row').first().dblclick();
	await isHeard(page);
	await page.getByRole('button', { name: 'Pause' }).first().click();
	await expect.poll(async () => (await heard(page)).paused).toBe(true);
	const { time: before } = await heard(page);
	await place(page).focus();
	await page.keyboard.press('Shift+ArrowRight');
	await expect.poll(async () => Math.abs((await heard(page)).time - before - 30)).toBeLessThan(0.3);
	await page.keyboard.press('ArrowLeft');
	await expect.poll(async () => Math.abs((await heard(page)).time - before - 25)).toBeLessThan(0.3);
});

test('the next song begins as the last one ends', async ({ page, songkeep }) => {
	await withSongs(page, songkeep, 4);
	await page.getByRole('row').first().dblclick();
	await isHeard(page);
	// What else runs on the machine may hold up one of them, hardly all.
	const gaps: number[] = [];
	while (gaps.length < 3 && !gaps.some((gap) => gap < 100)) gaps.push(await gapBeforeNext(page));
	console.log(`silence between two songs: ${gaps.map((gap) => gap.toFixed(0)).join(', ')} ms`);
	expect(Math.min(...gaps)).toBeLessThan(100);
});

/** Milliseconds without sound between the song that is on and the next one, by the page's own clock. */
async function gapBeforeNext(page: Page): Promise<number> {
	return page.evaluate(async () => {
		const players = (window as unknown as { songkeepAudio: HTMLAudioElement[] }).songkeepAudio;
		const frame = () => new Promise(requestAnimationFrame);
		const playing = () => players.find((one) => !one.paused && !one.ended && one.currentTime > 0);
		let first = playing();
		while (!first) {
			await frame();
			first = playing();
		}
		const before = first.src;
		// Late enough to be short, early enough for the next one to be fetched.
		first.currentTime = first.duration - 8;
		let ended = 0;
		for (;;) {
			await frame();
			const now = performance.now();
			const isOver = first.src !== before || first.ended || first.currentTime >= first.duration - 0.01;
			if (ended === 0 && isOver) ended = now;
			const next = players.find((one) => !one.paused && one.src !== before && one.currentTime > 0);
			if (next) return ended === 0 ? 0 : now - next.currentTime * 1000 - ended;
		}
	});
}

test('a reload goes on where it was', async ({ page, songkeep }) => {
	await withSongs(page, songkeep, 2);
	await page.getByRole('row').first().dblclick();
	await isHeard(page, 1.5);
	const title = await page.getByRole('contentinfo', { name: 'Player' }).getByRole('link').first().innerText();
	await page.getByRole('button', { name: 'Pause' }).first().click();
	const { time } = await heard(page);
	await page.reload();
	const bar = page.getByRole('contentinfo', { name: 'Player' });
	await expect(bar.getByRole('link').first()).toHaveText(title);
	await bar.getByRole('button', { name: 'Play', exact: true }).click();
	await isHeard(page, time - 0.5);
	expect((await heard(page)).time).toBeLessThan(time + 4);
});

test('a session whose tokens are short goes on in the middle of a song', async ({ page, songkeep }) => {
	let renewals = 0;
	await page.route(/\/api\/auth\/(refresh|signin)$/, async (route) => {
		const answer = await route.fetch();
		if (route.request().url().endsWith('refresh')) renewals += 1;
		if (!answer.ok()) return route.fulfill({ response: answer });
		await route.fulfill({ response: answer, json: { ...(await answer.json()), expires_in: 2 } });
	});
	await withSongs(page, songkeep, 1);
	await page.getByRole('row').first().dblclick();
	await isHeard(page, 5);
	expect(renewals).toBeGreaterThan(2);
	await page.getByRole('link', { name: 'Imports' }).first().click();
	await expect(page.getByRole('heading', { name: 'Imports', level: 1 })).toBeVisible();
	expect((await heard(page)).paused).toBe(false);
});

test.describe('with faults', () => {
	test.use({ expected: /net::ERR_|Failed to load resource/ });

	test('a network that goes and comes back costs no place', async ({ page, context, songkeep }) => {
		await withSongs(page, songkeep, 1);
		await page.getByRole('row').first().dblclick();
		await isHeard(page, 1);
		await context.setOffline(true);
		await expect(page.getByText('No connection to Songkeep', { exact: false }).first()).toBeVisible({
			timeout: 20_000
		});
		const { time } = await heard(page);
		await context.setOffline(false);
		await isHeard(page, time + 1);
		await expect(page.getByText('No connection to Songkeep', { exact: false })).toHaveCount(0, {
			timeout: 40_000
		});
	});

	test('a server that is restarted is not missed: the song plays on, the import arrives', async ({
		page,
		songkeep
	}) => {
		const token = await withSongs(page, songkeep, 1);
		await page.getByRole('row').first().dblclick();
		await isHeard(page, 1);
		const found = await songkeep.call<{ candidates: { source_id: string }[] }>(
			'GET',
			'/songs/search?q=tea&limit=1',
			{
				token
			}
		);
		const source = { source_provider: 'youtube', source_id: found.candidates[0]?.source_id };
		await songkeep.call('POST', '/songs/import', { body: source, token });
		await songkeep.stop('SIGKILL');
		await songkeep.start();
		const { time } = await heard(page);
		await isHeard(page, time + 1);
		await expect(page.getByRole('row')).toHaveCount(2, { timeout: 60_000 });
	});
});
