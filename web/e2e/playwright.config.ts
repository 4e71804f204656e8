import { defineConfig } from '@playwright/test';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

export default defineConfig({
	testDir: './stories',
	outputDir: './test-results',
	// Each test has a server of its own, and the machine often two cores.
	workers: Number(process.env.E2E_WORKERS ?? 1),
	fullyParallel: false,
	retries: 0,
	timeout: 90_000,
	expect: { timeout: 15_000 },
	reporter: [['list']],
	use: {
		browserName: 'chromium',
		viewport: { width: 1440, height: 900 },
		locale: 'en-GB',
		colorScheme: 'dark',
		trace: 'off',
		screenshot: 'only-on-failure',
		launchOptions: {
			executablePath: CHROMIUM,
			args: [
				'--no-sandbox',
				'--disable-gpu',
				'--disable-quic',
				'--no-first-run',
				'--disable-background-networking',
				'--disable-component-update',
				'--disable-sync',
				'--autoplay-policy=no-user-gesture-required',
				// A name of a home network, which is no secure context.
				'--host-resolver-rules=MAP keep.lan 127.0.0.1'
			]
		}
	}
});
