/** Draws the icons of the app from the one drawing of its mark. `npm run icons -w e2e`; the pictures are committed. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { chromium } from '@playwright/test';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const path = / d="([^"]+)"/.exec(readFileSync(here('../packages/ui/src/mark.svg'), 'utf8'))?.[1];
if (!path) throw new Error('the mark has no path');

const EMBER = '#f29a52';
const GROUND = '#150f17';

/** The mark in a square of 32; `share` is how much of the side it takes, `round` the corners' radius. */
function icon(share: number, round: number): string {
	const move = (32 - 32 * share) / 2;
	return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="${round}" fill="${GROUND}"/><path transform="translate(${move} ${move}) scale(${share})" d="${path}" fill="${EMBER}"/></svg>`;
}

const pictures = [
	{ file: 'favicon-32.png', size: 32, svg: icon(0.86, 7) },
	{ file: 'apple-touch-icon.png', size: 180, svg: icon(0.68, 0) },
	{ file: 'icon-192.png', size: 192, svg: icon(0.72, 7) },
	{ file: 'icon-512.png', size: 512, svg: icon(0.72, 7) },
	// Launchers cut it to a circle of four fifths.
	{ file: 'icon-maskable-512.png', size: 512, svg: icon(0.54, 0) }
];

const browser = await chromium.launch({
	executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
	args: ['--no-sandbox']
});
try {
	for (const app of ['player', 'admin']) {
		writeFileSync(here(`../${app}/static/favicon.svg`), `${icon(0.86, 7)}\n`);
		for (const { file, size, svg } of app === 'player' ? pictures : pictures.slice(0, 1)) {
			const page = await browser.newPage({ viewport: { width: size, height: size } });
			await page.setContent(
				`<style>*{margin:0}svg{display:block;width:${size}px;height:${size}px}</style>${svg}`
			);
			await page.screenshot({ path: here(`../${app}/static/${file}`), omitBackground: true });
			await page.close();
		}
	}
} finally {
	await browser.close();
}
