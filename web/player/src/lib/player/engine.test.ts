import { describe, expect, it } from 'vitest';
import { settle, track } from './testing';
import { player, playing } from './testing-engine';

describe('the change to the next song', () => {
	it('fetches the next song more than 15 s before the end, and not at once', async () => {
		const { clock, server } = await playing('a', track('b'));
		await clock.pass(50);
		expect(server.asked.map(({ song }) => song)).toEqual(['a']);
		await clock.pass(33);
		expect(server.asked.map(({ song }) => song)).toEqual(['a', 'b']);
	});

	it('starts the next song within 100 ms of the end of the last', async () => {
		const { clock, engine, on, told, audios } = await playing('a', track('b'));
		const end = (on('a').starts[0] as number) + 100_000;
		await clock.pass(98);
		const b = on('b');
		expect(b.sounding).toBe(false);
		await clock.pass(2);
		expect(told).toEqual(['advanced b']);
		expect(Math.abs((b.starts[0] as number) - end)).toBeLessThan(100);
		expect(engine.state).toMatchObject({ playing: true, track: { key: 'b' } });
		expect(audios.filter((audio) => audio.sounding)).toEqual([b]);
	});

	it('keeps time at another speed', async () => {
		const { clock, engine, on } = await playing('a', track('b'));
		engine.setRate(2);
		const end = clock.now() + 99_000 / 2;
		await clock.pass(51);
		expect(Math.abs((on('b').starts[0] as number) - end)).toBeLessThan(100);
		expect(on('b').playbackRate).toBe(2);
	});

	it('overlaps the songs when a crossfade is set, one rising as the other falls', async () => {
		const { clock, engine, on, sounding } = await playing('a', track('b'));
		engine.setVolume(1, false);
		engine.setCrossfade(6);
		await clock.pass(96);
		expect(sounding().sort()).toEqual(['a', 'b']);
		const [falling, rising] = [on('a').volume, on('b').volume];
		expect(falling ** 2 + rising ** 2).toBeCloseTo(1, 1);
		await clock.pass(4);
		expect(sounding()).toEqual(['b']);
		expect(on('b').volume).toBeCloseTo(1, 2);
	});

	it('gives a crossfade no more than half of a short song', async () => {
		const world = player();
		world.server.lengths['short'] = 8;
		world.engine.setCrossfade(12);
		world.engine.load(track('short', 8));
		world.engine.setNext(track('b'));
		await world.clock.pass(3);
		expect(world.sounding()).toEqual(['short']);
		await world.clock.pass(1.5);
		expect(world.sounding().sort()).toEqual(['b', 'short']);
	});

	it('takes another next song when the queue changes at the last moment', async () => {
		const { clock, engine, told, sounding } = await playing('a', track('b'));
		await clock.pass(90);
		engine.setNext(track('c'));
		await clock.pass(12);
		expect(told).toEqual(['advanced c']);
		expect(sounding()).toEqual(['c']);
	});

	it('plays the same song again when it is its own successor', async () => {
		const { clock, engine, told, now } = await playing('a', track('a'));
		await clock.pass(100);
		expect(told).toEqual(['advanced a']);
		engine.setNext(track('a'));
		await clock.pass(100);
		expect(told).toEqual(['advanced a', 'advanced a']);
		expect(now()?.playing).toBe(true);
	});

	it('stands at the beginning, paused, when nothing follows', async () => {
		const { clock, told, now } = await playing();
		await clock.pass(100);
		expect(told).toEqual(['finished']);
		expect(now()).toMatchObject({ playing: false, position: 0, track: { key: 'a' } });
	});

	it('goes to the next song at the end even when its bytes could not be fetched ahead', async () => {
		const { clock, server, told, sounding, goOnline } = await playing('a', track('b'));
		server.down = true;
		await clock.pass(100);
		expect(told).toEqual(['advanced b']);
		server.down = false;
		goOnline();
		await clock.pass(1);
		expect(sounding()).toEqual(['b']);
	});
});

describe('play and pause', () => {
	it('fades within 80 ms and then stands still', async () => {
		const { clock, engine, on, now } = await playing();
		engine.setVolume(1, false);
		engine.pause();
		expect(now()?.playing).toBe(false);
		await clock.pass(0.04);
		expect(on('a').sounding).toBe(true);
		expect(on('a').volume).toBeLessThan(0.9);
		await clock.pass(0.08);
		expect(on('a').sounding).toBe(false);
		const position = engine.state.position;
		await clock.pass(10);
		expect(engine.state.position).toBeCloseTo(position, 1);
	});

	it('goes on when play is pressed during the fade', async () => {
		const { clock, engine, on } = await playing();
		engine.setVolume(1, false);
		engine.pause();
		await clock.pass(0.04);
		engine.resume();
		await clock.pass(1);
		expect(on('a').sounding).toBe(true);
		expect(on('a').volume).toBeCloseTo(1, 2);
	});

	it('is paused, without an error, when the browser wants a click first', async () => {
		const world = player();
		for (const audio of world.audios) {
			audio.refusal = Object.assign(new Error('a click first'), { name: 'NotAllowedError' });
		}
		world.engine.load(track('a'));
		await world.clock.pass(1);
		expect(world.now()).toMatchObject({ playing: false, waiting: false });
		expect(world.told).toEqual([]);
		for (const audio of world.audios) audio.refusal = null;
		world.engine.resume();
		await world.clock.pass(1);
		expect(world.sounding()).toEqual(['a']);
	});

	it('is paused when something outside pauses the element', async () => {
		const { clock, on, now } = await playing();
		on('a').pause();
		await clock.pass(0.1);
		expect(now()?.playing).toBe(false);
	});

	it('asks for no byte of a restored song until it plays, and then begins at its place', async () => {
		const { engine, clock, server, on } = player();
		engine.load(track('a'), { at: 42, play: false });
		await clock.pass(5);
		expect(server.asked).toEqual([]);
		expect(engine.state).toMatchObject({ playing: false, position: 42, duration: 100 });
		engine.resume();
		await clock.pass(1);
		expect(on('a').currentTime).toBeGreaterThan(42.5);
		expect(engine.state.position).toBeLessThan(44);
	});

	it('sounds one song only, however fast one skips', async () => {
		const { engine, clock, sounding } = await playing();
		for (const name of ['b', 'c', 'd', 'e']) {
			engine.load(track(name));
			await settle();
		}
		await clock.pass(0.5);
		expect(sounding()).toEqual(['e']);
	});
});

describe('addresses that expire', () => {
	it('finds a new one after a long pause and a seek, and goes on from there', async () => {
		const { engine, clock, server, on, told, now } = await playing();
		engine.pause();
		await clock.pass(3600);
		engine.seek(60);
		engine.resume();
		await clock.pass(2);
		expect(server.asked.length).toBe(2);
		expect(on('a').currentTime).toBeGreaterThan(61);
		expect(on('a').currentTime).toBeLessThan(62.5);
		expect(now()).toMatchObject({ playing: true, waiting: false });
		expect(told).toEqual([]);
	});

	it('finds a new one when the address is refused in the middle of a song', async () => {
		const { engine, clock, on, sounding } = await playing();
		await clock.pass(30);
		on('a').fail(4);
		await clock.pass(1);
		expect(sounding()).toEqual(['a']);
		expect(engine.state.position).toBeGreaterThan(31);
		expect(engine.state.position).toBeLessThan(33);
	});

	it('shows the wanted place, not the start, while the new address is under way', async () => {
		const { engine, clock } = await playing();
		await clock.pass(20);
		engine.pause();
		await clock.pass(3600);
		engine.resume();
		expect(engine.state.position).toBeGreaterThan(20);
		await clock.pass(0.01);
		expect(engine.state.position).toBeGreaterThan(20);
	});

	it('fetches the next song again when what was fetched ahead has expired', async () => {
		const { engine, clock, told, sounding, server } = await playing('a', track('b'));
		await clock.pass(90);
		engine.pause();
		await clock.pass(3600);
		engine.resume();
		await clock.pass(10);
		expect(told).toEqual(['advanced b']);
		expect(sounding()).toEqual(['b']);
		expect(server.asked.filter(({ song }) => song === 'b').length).toBe(2);
	});
});

describe('a network that comes and goes', () => {
	it('keeps its place and goes on when the server is back', async () => {
		const { engine, clock, server, on, now, told, sounding } = await playing();
		await clock.pass(20);
		server.down = true;
		on('a').fail(2);
		await clock.pass(45);
		expect(now()).toMatchObject({ playing: true, waiting: true });
		expect(engine.state.position).toBeCloseTo(21, 0);
		server.down = false;
		await clock.pass(40);
		expect(sounding()).toEqual(['a']);
		expect(now()?.waiting).toBe(false);
		expect(told).toEqual([]);
	});

	it('tries at once when the browser says that it is online', async () => {
		const { clock, server, on, sounding, goOnline } = await playing();
		server.down = true;
		on('a').fail(2);
		await clock.pass(60);
		server.down = false;
		goOnline();
		await clock.pass(0.1);
		expect(sounding()).toEqual(['a']);
	});

	it('asks ever more rarely', async () => {
		const { clock, server, on } = await playing();
		server.down = true;
		on('a').fail(2);
		await clock.pass(300);
		expect(server.asked.length).toBeGreaterThan(8);
		expect(server.asked.length).toBeLessThan(20);
	});

	it('gives up a song whose bytes cannot be played', async () => {
		const { engine, clock, server, told } = player();
		server.broken.add('a');
		engine.load(track('a'));
		await clock.pass(60);
		expect(told).toEqual(['unplayable a true']);
		expect(server.asked.length).toBe(5);
	});

	it('says that a song is gone, and whether it is the one on', async () => {
		const { clock, server, told } = await playing('a', track('b'));
		server.gone.add('b');
		await clock.pass(80);
		expect(told).toEqual(['gone b false']);
		await clock.pass(20);
		expect(told).toEqual(['gone b false', 'finished']);
	});
});
