// What the page knows: the listener's songs and imports. Changes come from the server's events and
// answers; views hear of them once per frame.

import { ApiProblem, music } from "./api.js";
import { announce, notice } from "./dom.js";

const UNDO_SECONDS = 6;

export const state = {
  /** Songs by id, as far as they are loaded. */
  songs: new Map(),
  /** Imports by id. */
  jobs: new Map(),
  /** Songs that wait to be removed, until undo is no longer offered. */
  hidden: new Map(),
  /** Ids of songs that have left the library since the page was opened. */
  removed: new Set(),
  /** Sources whose import was asked for a moment ago. */
  asking: new Set(),
  nextCursor: null,
  total: 0,
  loaded: false,
};

const listeners = new Set();
let scheduled = false;

export function subscribe(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Tells the views, at most once per frame, also when the page is not shown. */
export function changed() {
  if (scheduled) return;
  scheduled = true;
  setTimeout(() => {
    scheduled = false;
    listeners.forEach((listener) => listener());
  }, 16);
}

export const sourceKey = (item) => `${item.source_provider}:${item.source_id}`;
export const isLive = (job) => job.status === "queued" || job.status === "processing";

/** Songs to show, newest first. */
export function librarySongs() {
  return [...state.songs.values()]
    .filter((song) => !state.hidden.has(song.id))
    .sort((a, b) => b.added_at.localeCompare(a.added_at) || b.id.localeCompare(a.id));
}

/** Imports to show, newest first; finished ones of songs that are in the library are old news. */
export function importJobs() {
  return [...state.jobs.values()].sort((a, b) => b.created_at.localeCompare(a.created_at));
}

function newestJob(key) {
  let newest = null;
  for (const job of state.jobs.values()) {
    if (sourceKey(job) === key && (!newest || job.created_at > newest.created_at)) newest = job;
  }
  return newest;
}

/** What can be done with a search hit now. */
export function candidateStatus(candidate) {
  const key = sourceKey(candidate);
  for (const song of state.songs.values()) {
    if (sourceKey(song) === key && !state.hidden.has(song.id)) return { kind: "play", song };
  }
  const job = newestJob(key);
  if (job && isLive(job)) return { kind: "progress", job, percent: job.progress };
  if (state.asking.has(key)) return { kind: "progress", job: null, percent: 0 };
  const known = candidate.in_library && !state.removed.has(candidate.song_id) && !state.hidden.has(candidate.song_id);
  if (known) return { kind: "play", song: songOfCandidate(candidate) };
  if (job?.status === "failed") return { kind: "failed", job };
  return { kind: "import" };
}

function songOfCandidate(candidate) {
  return {
    id: candidate.song_id,
    title: candidate.title,
    artist: candidate.artists?.join(", ") || candidate.channel,
    duration_sec: candidate.duration_sec,
    cover_url: candidate.thumbnail_url,
  };
}

export function takeJob(job) {
  const before = state.jobs.get(job.id);
  // Events and answers may overtake each other.
  if (before && before.updated_at > job.updated_at) return;
  state.jobs.set(job.id, job);
  state.asking.delete(sourceKey(job));
  if (before && before.status !== job.status) {
    if (job.status === "completed") announce(`${job.title} is in your library.`);
    if (job.status === "failed") announce(`${job.title} could not be imported. ${job.failure_reason ?? ""}`);
  }
  changed();
}

export function takeLibraryEvent({ change, song_id: id, song }) {
  if (change === "removed") {
    if (state.songs.delete(id)) state.total = Math.max(0, state.total - 1);
    state.hidden.delete(id);
    state.removed.add(id);
  } else if (song) {
    if (!state.songs.has(id) && change === "added") state.total += 1;
    state.songs.set(id, song);
    state.removed.delete(id);
  }
  changed();
}

/** Reads everything anew. */
export async function loadAll() {
  const [library, jobs] = await Promise.all([music.library(), music.jobs()]);
  state.songs = new Map(library.songs.map((song) => [song.id, song]));
  state.nextCursor = library.next_cursor;
  state.total = library.total;
  state.jobs = new Map(jobs.jobs.map((job) => [job.id, job]));
  state.loaded = true;
  changed();
}

export async function loadMore() {
  const cursor = state.nextCursor;
  if (!cursor) return;
  const page = await music.library({ cursor });
  if (state.nextCursor !== cursor) return;
  page.songs.forEach((song) => state.songs.set(song.id, song));
  state.nextCursor = page.next_cursor;
  changed();
}

/** Forgets everything, at sign-out. */
export function clearState() {
  for (const pending of state.hidden.values()) pending.cancel();
  Object.assign(state, { nextCursor: null, total: 0, loaded: false });
  [state.songs, state.jobs, state.hidden, state.removed, state.asking].forEach((part) => part.clear());
  changed();
}

/** Shows the sentence of a failed call. */
export function showProblem(error) {
  if (error.name === "AbortError") return;
  if (!(error instanceof ApiProblem)) console.error(error);
  notice(error instanceof ApiProblem ? error.message : "Something went wrong on this page. Reload it.", { bad: true });
}

export async function startImport(candidate) {
  const key = sourceKey(candidate);
  if (state.asking.has(key)) return;
  state.asking.add(key);
  changed();
  try {
    const job = await music.import({
      source_provider: candidate.source_provider,
      source_id: candidate.source_id,
      title: candidate.title.slice(0, 300),
      artist: (candidate.artists?.[0] ?? candidate.channel ?? "").slice(0, 300) || undefined,
    });
    announce(`Importing ${candidate.title}.`);
    takeJob(job);
  } catch (error) {
    showProblem(error);
  } finally {
    state.asking.delete(key);
    changed();
  }
}

export async function cancelImport(job) {
  if (!job) return;
  try {
    takeJob(await music.cancelJob(job.id));
    announce(`Import of ${job.title} cancelled.`);
  } catch (error) {
    // Finished in the same moment: the event tells.
    if (error.status !== 409) showProblem(error);
  }
}

export async function retryImport(job) {
  try {
    takeJob(await music.retryJob(job.id));
    announce(`Importing ${job.title} again.`);
  } catch (error) {
    showProblem(error);
  }
}

/** Takes a song out of the library once undo is no longer offered. */
export function removeSong(song) {
  if (state.hidden.has(song.id)) return;
  const timer = setTimeout(() => finish(false), UNDO_SECONDS * 1000);
  const close = notice(`Removed “${song.title}” from your library.`, {
    action: "Undo",
    seconds: UNDO_SECONDS,
    onaction: () => (cancel(), announce(`${song.title} is back.`)),
  });
  function cancel() {
    clearTimeout(timer);
    close();
    state.hidden.delete(song.id);
    changed();
  }
  async function finish(keepalive) {
    clearTimeout(timer);
    close();
    try {
      await music.remove(song.id, keepalive);
      takeLibraryEvent({ change: "removed", song_id: song.id });
    } catch (error) {
      if (error.status === 404) return takeLibraryEvent({ change: "removed", song_id: song.id });
      state.hidden.delete(song.id);
      changed();
      showProblem(error);
    }
  }
  state.hidden.set(song.id, { cancel, finish });
  changed();
}

// Who leaves the page meant it.
window.addEventListener("pagehide", () => {
  for (const pending of state.hidden.values()) pending.finish(true);
});
