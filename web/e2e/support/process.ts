/** Programs of this repository, started for a test and ended by their pids. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

export function binary(name: string): string {
	const folder = process.env.SONGKEEP_BIN_DIR ?? `${ROOT}target/debug`;
	return `${folder}/${name}`;
}

export class Program {
	#child: ChildProcess;
	#said = '';
	#exit: Promise<number | null>;

	constructor(command: string, args: string[], env: Record<string, string>) {
		const inherited = { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '/tmp' };
		this.#child = spawn(command, args, { env: { ...inherited, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
		const hear = (data: Buffer) => (this.#said = (this.#said + data.toString()).slice(-20_000));
		this.#child.stdout?.on('data', hear);
		this.#child.stderr?.on('data', hear);
		this.#exit = new Promise((resolve) => {
			this.#child.on('exit', resolve);
			this.#child.on('error', (error) => {
				this.#said += String(error);
				resolve(-1);
			});
		});
	}

	get output(): string {
		return this.#said;
	}

	/** Waits until it has said something. */
	async says(words: RegExp, ms = 60_000): Promise<RegExpExecArray> {
		const until = Date.now() + ms;
		let ended = false;
		void this.#exit.then(() => (ended = true));
		while (Date.now() < until && !ended) {
			const found = words.exec(this.#said);
			if (found) return found;
			await new Promise((resolve) => setTimeout(resolve, 20));
		}
		throw new Error(`it did not say ${words}:\n${this.#said}`);
	}

	async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
		this.#child.kill(signal);
		const timer = setTimeout(() => this.#child.kill('SIGKILL'), 15_000);
		await this.#exit;
		clearTimeout(timer);
	}
}

export async function freePort(): Promise<number> {
	return new Promise((resolve, reject) => {
		const server = createServer();
		server.on('error', reject);
		server.listen(0, '127.0.0.1', () => {
			const address = server.address();
			const port = typeof address === 'object' && address !== null ? address.port : 0;
			server.close(() => resolve(port));
		});
	});
}
