import { afterEach, describe, expect, it } from 'vitest';
import { Line } from './line';
import { FakeClock, FakeServer, settle } from './testing';

describe('Line', () => {
	let line: Line;
	afterEach(() => line.stop());

	function putUp() {
		const clock = new FakeClock();
		const server = new FakeServer();
		const heard: string[] = [];
		line = new Line({
			open: server.open,
			onmessage: ({ name, id }) => heard.push(`${name} ${id}`),
			onid: (id) => heard.push(`id ${id}`),
			onup: (resumed) => heard.push(resumed ? 'up again' : 'up'),
			ondown: () => heard.push('down'),
			timers: clock,
			random: () => 0.5
		});
		return { clock, server, heard };
	}

	it('tells of events and of the id to resume after', async () => {
		const { server, heard } = putUp();
		await settle();
		server.send(': connected\nid: 4\n\n');
		server.event('job', 5, {});
		await settle();
		expect(heard).toEqual(['up', 'id 4', 'job 5', 'id 5']);
	});

	it('resumes at once after the last event when the server ends the stream', async () => {
		const { clock, server, heard } = putUp();
		await settle();
		server.event('job', 5, {});
		await settle();
		server.end();
		await clock.pass(400);
		expect(server.asked).toEqual([null, '5']);
		expect(heard.slice(-2)).toEqual(['down', 'up again']);
	});

	it('waits longer after each failure, and not longer than half a minute', async () => {
		const { clock, server } = putUp();
		server.isThere = false;
		await settle();
		server.cut();
		const waits: number[] = [];
		let before = clock.now;
		for (let count = server.asked.length; waits.length < 8;) {
			await clock.pass(250);
			if (server.asked.length === count) continue;
			count = server.asked.length;
			waits.push(clock.now - before);
			before = clock.now;
		}
		expect(waits[0]).toBeLessThanOrEqual(1_250);
		expect(waits.every((wait, at) => at === 0 || wait >= (waits[at - 1] ?? 0))).toBe(true);
		expect(waits.at(-1)).toBeLessThanOrEqual(30_250);
	});

	it('does not wait when it hears that the network is back', async () => {
		const { clock, server } = putUp();
		await settle();
		server.isThere = false;
		server.cut();
		await clock.pass(20_000);
		const before = server.asked.length;
		server.isThere = true;
		line.retryNow();
		await settle();
		expect(server.asked.length).toBe(before + 1);
		expect(server.lines).toBe(1);
	});

	it('gives up a line on which nothing is said for 45 s, and not one with comments', async () => {
		const { clock, server } = putUp();
		await settle();
		for (let turn = 0; turn < 6; turn += 1) {
			await clock.pass(15_000);
			server.send(': still here\n\n');
		}
		expect(server.asked.length).toBe(1);
		await clock.pass(47_000);
		expect(server.asked.length).toBe(2);
	});

	it('is quiet after it was stopped', async () => {
		const { clock, server, heard } = putUp();
		await settle();
		line.stop();
		await clock.pass(120_000);
		expect(server.asked.length).toBe(1);
		expect(heard).toEqual(['up']);
	});

	it('waits as long as the server asks it to', async () => {
		const { clock, server } = putUp();
		await settle();
		server.send('retry: 5000\n\n');
		await settle();
		server.end();
		await clock.pass(4_900);
		expect(server.asked.length).toBe(1);
		await clock.pass(200);
		expect(server.asked.length).toBe(2);
	});
});
