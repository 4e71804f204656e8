import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Folders that are made, not written. */
const MADE = new Set(['node_modules', 'build', '.svelte-kit', 'paraglide', 'cache']);

/** A name for a build that is the same for the same sources, wherever and whenever it is built. */
export function contentVersion(app: string): string {
	const here = fileURLToPath(new URL('.', import.meta.url));
	const hash = createHash('sha256');
	for (const folder of [join(here, 'packages'), join(here, app)]) {
		for (const file of filesIn(folder)) hash.update(file.slice(here.length)).update(readFileSync(file));
	}
	hash.update(readFileSync(join(here, 'package-lock.json')));
	return hash.digest('hex').slice(0, 16);
}

function filesIn(folder: string): string[] {
	const entries = readdirSync(folder, { withFileTypes: true }).filter((entry) => !MADE.has(entry.name));
	entries.sort((a, b) => (a.name < b.name ? -1 : 1));
	return entries.flatMap((entry) => {
		const path = join(folder, entry.name);
		return entry.isDirectory() ? filesIn(path) : entry.isFile() ? [path] : [];
	});
}
