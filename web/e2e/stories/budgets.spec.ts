/** What a first visit costs. Sizes are held to; times are printed, since machines differ. */
import { expect, signIn, test } from '../support/test.ts';

const MAX_SCRIPT_KB = 150;

test('the first page loads little, compressed and for good', async ({ page, songkeep }) => {
	await songkeep.signUp('ada@example.com');
	await signIn(page, songkeep, 'ada@example.com');
	let bytes = 0;
	const careless: string[] = [];
	page.on('response', (response) => {
		const { pathname } = new URL(response.url());
		const headers = response.headers();
		if (!pathname.endsWith('.js') || response.fromServiceWorker()) return;
		bytes += Number(headers['content-length'] ?? 0);
		if (headers['content-encoding'] !== 'br') careless.push(`${pathname} is not compressed`);
		const isForGood = headers['cache-control']?.includes('immutable') ?? false;
		if (pathname.startsWith('/_app/immutable/') && !isForGood) careless.push(`${pathname} is not kept`);
	});
	// As on a first visit: nothing kept, and no worker in between.
	const devtools = await page.context().newCDPSession(page);
	await devtools.send('Network.enable');
	await devtools.send('Network.setCacheDisabled', { cacheDisabled: true });
	await devtools.send('Network.setBypassServiceWorker', { bypass: true });
	await devtools.send('Emulation.setCPUThrottlingRate', { rate: 4 });
	const began = Date.now();
	await page.goto(songkeep.url, { waitUntil: 'commit' });
	await expect(page.getByRole('searchbox')).toBeVisible();
	const usable = Date.now() - began;
	const vitals = await page.evaluate(() => {
		const paint = performance.getEntriesByName('first-contentful-paint')[0];
		return { paint: paint?.startTime ?? 0, nodes: document.querySelectorAll('*').length };
	});
	// The line of events never rests, so this waits for the scripts alone.
	await page.waitForFunction(() => document.readyState === 'complete');
	console.log(
		`home, processor slowed 4 times: usable after ${usable} ms, first paint ${vitals.paint.toFixed(0)} ms, ` +
			`${(bytes / 1000).toFixed(0)} kB of scripts, ${vitals.nodes} elements`
	);
	expect(careless).toEqual([]);
	expect(bytes / 1000).toBeLessThanOrEqual(MAX_SCRIPT_KB);
});
