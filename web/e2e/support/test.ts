/** Playwright's `test` with a Songkeep, and with an eye on what a page must never do. */
import { test as base, expect, type Page } from '@playwright/test';
import { PASSWORD, Songkeep, startYouTube, type YouTube } from './songkeep.ts';

interface Fixtures {
	/** Settings on top of the tests' own. */
	settings: Record<string, string>;
	songkeep: Songkeep;
	/** Fails the test at its end when a page logged an error or broke its content policy. */
	quiet: string[];
	/** What a page may say on the console in this test. */
	expected: RegExp;
}

export const test = base.extend<Fixtures, { youtube: YouTube }>({
	youtube: [
		// eslint-disable-next-line no-empty-pattern -- Playwright reads the names of what is used
		async ({}, use) => {
			const youtube = await startYouTube();
			await use(youtube);
			await youtube.end();
		},
		{ scope: 'worker', timeout: 120_000 }
	],
	settings: [{}, { option: true }],
	expected: [/(?!)/, { option: true }],
	songkeep: async ({ youtube, settings }, use, info) => {
		const songkeep = new Songkeep(youtube, settings);
		await songkeep.start();
		await use(songkeep);
		if (info.status !== info.expectedStatus) console.log(songkeep.output);
		await songkeep.end();
	},
	quiet: [
		// After the server, so that it is looked at before the server ends.
		async ({ context, expected, songkeep: _ }, use) => {
			const said: string[] = [];
			context.on('page', (page) => {
				page.on('pageerror', (error) => said.push(`exception: ${error.stack ?? error.message}`));
				page.on('console', (message) => {
					const text = `${message.text()} (${message.location().url})`;
					if (message.type() === 'error' && !expected.test(text)) said.push(text);
				});
			});
			await use(said);
			expect(said, 'errors on the console').toEqual([]);
		},
		{ auto: true }
	]
});

export { expect };

/** Signs in by the page, as a person does. */
export async function signIn(page: Page, songkeep: Songkeep, email: string): Promise<void> {
	await page.goto(`${songkeep.url}/signin`);
	await page.getByLabel('Email address').fill(email);
	await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
	await page.getByRole('button', { name: 'Sign in' }).click();
	await expect(page.getByRole('navigation', { name: 'Main' }).first()).toBeVisible();
}

/** Where the audio is: of the element that plays, else of the one that has a song. */
export async function heard(page: Page): Promise<{ time: number; duration: number; paused: boolean }> {
	return page.evaluate(() => {
		const players = (window as unknown as { songkeepAudio?: HTMLAudioElement[] }).songkeepAudio ?? [];
		const audio = players.find((one) => !one.paused) ?? players.find((one) => one.src !== '') ?? players[0];
		return audio
			? { time: audio.currentTime, duration: audio.duration, paused: audio.paused }
			: { time: 0, duration: 0, paused: true };
	});
}

/** Lets `heard` find the audio elements, which are in no document. Call before the page is opened. */
export async function listen(page: Page): Promise<void> {
	await page.addInitScript(() => {
		const found: HTMLAudioElement[] = [];
		Object.assign(window, { songkeepAudio: found });
		const Real = window.Audio;
		window.Audio = new Proxy(Real, {
			construct(target, args: ConstructorParameters<typeof Audio>) {
				const audio = new target(...args);
				found.push(audio);
				return audio;
			}
		});
	});
}
