import { flushSync } from 'svelte';
import { afterEach, describe, expect, it } from 'vitest';
import type { Api } from '$lib/api';
import { EventFeed } from './feed.svelte';
import { FakeBrowser, FakeServer, settle, type FakeTab } from './testing';

type Who = ConstructorParameters<typeof EventFeed>[1];

const ADA = { state: 'signed-in', user: { id: 'ada' } } as Who;
const ALL = { locks: true, storage: true, channel: true };
const PLAIN_HTTP = { ...ALL, locks: false };

/** The part of the client that the feed uses. */
function apiOf(server: FakeServer): Api {
	const get = async (
		_path: string,
		{ params, signal }: { params: { header: Record<string, string> }; signal: AbortSignal }
	) => ({
		data: await server.open(params.header['Last-Event-ID'] ?? null, signal),
		response: new Response(null, { status: 200 })
	});
	return { GET: get } as unknown as Api;
}

describe('EventFeed', () => {
	const feeds: EventFeed[] = [];
	afterEach(() => {
		for (const feed of feeds.splice(0)) feed.dispose();
	});

	function open(tab: FakeTab, server: FakeServer, who: Who = ADA) {
		const feed = new EventFeed(apiOf(server), who, tab.env);
		feeds.push(feed);
		flushSync();
		const heard: string[] = [];
		feed.on('job', (job) => heard.push(`job ${job.id}`));
		feed.on('library', ({ change }) => heard.push(change));
		feed.on('reset', () => heard.push('reset'));
		return { feed, heard };
	}

	for (const [name, has] of [
		['with Web Locks', ALL],
		['without them, as on plain http', PLAIN_HTTP]
	] as const) {
		describe(name, () => {
			it('shares one line among five tabs, and all hear the same', async () => {
				const browser = new FakeBrowser(has);
				const server = new FakeServer();
				const tabs = Array.from({ length: 5 }, () => open(browser.tab(), server));
				await browser.clock.pass(3_000);
				expect(server.lines).toBe(1);
				server.event('job', 7, { id: 'a' });
				server.event('library', 8, { change: 'added', song_id: 's' });
				await settle();
				for (const { heard } of tabs) expect(heard).toEqual(['job a', 'added']);
				await browser.clock.pass(30_000);
				expect(server.lines).toBe(1);
			});

			it('goes on in another tab after the last event when the one with the line is closed', async () => {
				const browser = new FakeBrowser(has);
				const server = new FakeServer();
				const first = open(browser.tab(), server);
				await browser.clock.pass(500);
				const second = open(browser.tab(), server);
				server.event('job', 7, { id: 'a' });
				await settle();
				first.feed.dispose();
				await browser.clock.pass(8_000);
				expect(server.asked).toEqual([null, '7']);
				server.event('job', 8, { id: 'b' });
				await settle();
				expect(second.heard).toEqual(['job a', 'job b']);
			});

			it('hears nothing of another account', async () => {
				const browser = new FakeBrowser(has);
				const server = new FakeServer();
				const nobody = open(browser.tab(), server, { state: 'signed-out', user: null });
				await browser.clock.pass(3_000);
				expect(server.asked).toEqual([]);
				expect(nobody.feed.online).toBe(true);
			});
		});
	}

	it('takes the lease over from a tab that vanished without a word', async () => {
		const browser = new FakeBrowser(PLAIN_HTTP);
		const server = new FakeServer();
		const gone = JSON.stringify({ tab: 'gone', until: browser.clock.now + 6_000 });
		browser.stored.set('songkeep-events:ada', gone);
		open(browser.tab(), server);
		await browser.clock.pass(3_000);
		expect(server.lines).toBe(0);
		await browser.clock.pass(6_000);
		expect(server.lines).toBe(1);
	});

	it('hands the lease on when its page goes away', async () => {
		const browser = new FakeBrowser(PLAIN_HTTP);
		const server = new FakeServer();
		const tab = browser.tab();
		open(tab, server);
		await browser.clock.pass(500);
		open(browser.tab(), server);
		tab.hide();
		await browser.clock.pass(500);
		expect(server.asked.length).toBe(2);
		expect(server.lines).toBe(1);
	});

	it('gives each tab a line of its own where tabs cannot talk to each other', async () => {
		const browser = new FakeBrowser({ locks: true, storage: true, channel: false });
		const server = new FakeServer();
		open(browser.tab(), server);
		open(browser.tab(), server);
		await settle();
		expect(server.lines).toBe(2);
	});

	it('is offline only when news have not arrived for some seconds, in all tabs', async () => {
		const browser = new FakeBrowser(ALL);
		const server = new FakeServer();
		const tabs = [open(browser.tab(), server), open(browser.tab(), server)];
		await settle();
		server.isThere = false;
		server.cut();
		await browser.clock.pass(3_500);
		expect(tabs.map(({ feed }) => feed.online)).toEqual([true, true]);
		await browser.clock.pass(1_000);
		expect(tabs.map(({ feed }) => feed.online)).toEqual([false, false]);
		server.isThere = true;
		await browser.clock.pass(20_000);
		expect(tabs.map(({ feed }) => feed.online)).toEqual([true, true]);
	});

	it('stays online over the short gap when the access token expires', async () => {
		const browser = new FakeBrowser(ALL);
		const server = new FakeServer();
		const { feed, heard } = open(browser.tab(), server);
		await settle();
		server.send('id: 3\n\n');
		await settle();
		server.end();
		await browser.clock.pass(5_000);
		expect(server.asked).toEqual([null, '3']);
		expect(feed.online).toBe(true);
		expect(heard).toEqual([]);
	});

	it('passes the reset of the server on', async () => {
		const browser = new FakeBrowser(ALL);
		const server = new FakeServer();
		const { heard } = open(browser.tab(), server);
		await settle();
		server.event('reset', 9, {});
		await settle();
		expect(heard).toEqual(['reset']);
	});

	it('asks for a fresh start when the first line comes late', async () => {
		const browser = new FakeBrowser(ALL);
		const server = new FakeServer();
		server.isThere = false;
		const { heard } = open(browser.tab(), server);
		await browser.clock.pass(10_000);
		server.isThere = true;
		await browser.clock.pass(30_000);
		expect(heard).toEqual(['reset']);
	});

	it('says when news arrive, and does not keep anyone waiting for long', async () => {
		const browser = new FakeBrowser(ALL);
		const server = new FakeServer();
		server.isThere = false;
		const { feed } = open(browser.tab(), server);
		let isOver = false;
		void feed.listening(1_500).then(() => (isOver = true));
		await browser.clock.pass(1_000);
		expect(isOver).toBe(false);
		await browser.clock.pass(1_000);
		expect(isOver).toBe(true);
	});
});
