/// <reference types="@sveltejs/kit" />
/**
 * Keeps the app's own files, so that it opens without a network and at once with one; and the covers
 * that were seen, up to a number. Of the API and the songs it touches nothing.
 */
import { version } from '$app/env';
import { assets, immutable } from '$app/manifest';

const worker = globalThis as unknown as ServiceWorkerGlobalScope;

const SHELL = `shell-${version}`;
const COVERS = 'covers-1';
const SHELL_PAGE = '/index.html';
const OWN = new Set([...immutable, ...assets].map(({ path }) => (path.startsWith('/') ? path : `/${path}`)));
const MAX_COVERS = 400;
/** A network that is slower than this is as good as none, for a page that is here. */
const PATIENCE_MS = 4_000;

worker.addEventListener('install', (event) => {
	event.waitUntil(
		caches.open(SHELL).then((cache) =>
			// Past the browser's own cache, where the page of the last version may lie.
			cache.addAll([...OWN, SHELL_PAGE].map((path) => new Request(path, { cache: 'reload' })))
		)
	);
});

worker.addEventListener('activate', (event) => {
	event.waitUntil(dropOldShells());
});

async function dropOldShells(): Promise<void> {
	const names = await caches.keys();
	await Promise.all(
		names.filter((name) => name.startsWith('shell-') && name !== SHELL).map((name) => caches.delete(name))
	);
}

worker.addEventListener('fetch', (event) => {
	const { request } = event;
	if (request.method !== 'GET') return;
	const url = new URL(request.url);
	if (url.origin !== worker.location.origin || url.pathname.startsWith('/admin')) return;
	if (OWN.has(url.pathname)) event.respondWith(keptFirst(request));
	else if (isPicture(url)) event.respondWith(cover(request));
	else if (request.mode === 'navigate' && !url.pathname.startsWith('/api')) event.respondWith(page(request));
});

function isPicture(url: URL): boolean {
	return /^\/api\/(thumbnails\/|songs\/[^/]+\/cover|covers\/)/.test(url.pathname);
}

async function keptFirst(request: Request): Promise<Response> {
	const kept = await (await caches.open(SHELL)).match(request, { ignoreSearch: true });
	return kept ?? fetch(request);
}

/** The newest page; the kept one when the server is not reached, is down, or takes too long. */
async function page(request: Request): Promise<Response> {
	const newest = fetch(request);
	const kept = await (await caches.open(SHELL)).match(SHELL_PAGE);
	if (!kept) return newest;
	const answered = newest.then(
		(answer) => (answer.status >= 500 ? kept : answer),
		() => kept
	);
	const late = new Promise<Response>((resolve) => setTimeout(() => resolve(kept), PATIENCE_MS));
	return Promise.race([answered, late]);
}

/** When each was last shown, in the life of this worker: those go last. */
const shown = new Map<string, number>();

async function cover(request: Request): Promise<Response> {
	const cache = await caches.open(COVERS);
	const key = pictureKey(new URL(request.url));
	shown.set(key, Date.now());
	const kept = await cache.match(key);
	if (kept) return kept;
	const answer = await fetch(request);
	if (answer.ok && answer.type === 'basic') {
		await cache.put(key, answer.clone());
		await forgetLeastShown(cache);
	}
	return answer;
}

/** Addresses are signed anew each day; the path and the size say which picture it is. */
function pictureKey(url: URL): string {
	const size = url.searchParams.get('size');
	return url.origin + url.pathname + (size === null ? '' : `?size=${encodeURIComponent(size)}`);
}

async function forgetLeastShown(cache: Cache): Promise<void> {
	const keys = [...(await cache.keys())];
	if (keys.length <= MAX_COVERS) return;
	const seen = (key: Request) => shown.get(key.url) ?? 0;
	keys.sort((a, b) => seen(a) - seen(b));
	await Promise.all(keys.slice(0, keys.length - MAX_COVERS).map((key) => cache.delete(key)));
}
