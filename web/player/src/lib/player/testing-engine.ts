/** An engine with a server and two elements that tests turn by hand. */
import { Engine, SourceProblem, type EngineState, type Track } from './engine';
import { FakeAudio, FakeClock, track } from './testing';

interface Server {
	lengths: Record<string, number>;
	/** Seconds an address is good for. */
	ttl: number;
	down: boolean;
	gone: Set<string>;
	/** Songs whose bytes are no sound. */
	broken: Set<string>;
	asked: { song: string; at: number }[];
}

export function player() {
	const clock = new FakeClock();
	const server: Server = {
		lengths: {},
		ttl: 290,
		down: false,
		gone: new Set(),
		broken: new Set(),
		asked: []
	};
	const issued = new Map<string, { song: string; until: number }>();
	const audios: FakeAudio[] = [];
	const told: string[] = [];
	let online = () => {};
	let state: EngineState | null = null;
	const engine = new Engine({
		clock,
		createAudio: () => {
			const audio = new FakeAudio(clock, (src) => {
				const ticket = issued.get(src);
				if (server.down || ticket === undefined || clock.now() > ticket.until) return null;
				if (server.broken.has(ticket.song)) return null;
				return server.lengths[ticket.song] ?? 100;
			});
			audios.push(audio);
			return audio;
		},
		findSource: async (song) => {
			server.asked.push({ song, at: clock.now() });
			if (server.down) throw new SourceProblem('unreachable');
			if (server.gone.has(song)) throw new SourceProblem('gone');
			const url = `/stream/${song}?token=${issued.size}`;
			issued.set(url, { song, until: clock.now() + server.ttl * 1000 });
			return { url, expiresIn: server.ttl };
		},
		onOnline: (run) => {
			online = run;
			return () => {};
		},
		events: {
			changed: (now) => (state = now),
			advanced: (now) => told.push(`advanced ${now.key}`),
			finished: () => told.push('finished'),
			gone: (lost, current) => told.push(`gone ${lost.key} ${current}`),
			unplayable: (lost, current) => told.push(`unplayable ${lost.key} ${current}`),
			wantsNext: () => told.push('next'),
			wantsPrevious: () => told.push('previous')
		}
	});
	engine.setLevelling(false);
	return {
		engine,
		clock,
		server,
		audios,
		told,
		goOnline: () => online(),
		now: () => state as EngineState | null,
		/** The element that a song is on. */
		on: (song: string) => audios.find((audio) => audio.src.includes(`/${song}?`)) as FakeAudio,
		sounding: () => audios.filter((audio) => audio.sounding).map((audio) => audio.src.split(/[/?]/)[2])
	};
}

/** Has played the first second of a song. */
export async function playing(name = 'a', next: Track | null = null) {
	const world = player();
	world.engine.load(track(name));
	world.engine.setNext(next);
	await world.clock.pass(1);
	return world;
}
