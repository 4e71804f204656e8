// The two lists behind the search: the library and the imports.

import { music } from "./api.js";
import { debounce, empty, h, syncRows } from "./dom.js";
import { jobRow, songRow, walkRows } from "./rows.js";
import { importJobs, isLive, librarySongs, loadMore, showProblem, state } from "./state.js";

export function libraryView(player) {
  const count = h("span.count");
  const filter = h("input.filter", {
    type: "search", placeholder: "Filter", "aria-label": "Filter your library", autocomplete: "off", maxLength: 300,
  });
  const rows = walkRows(h("ul.rows", { "aria-label": "Your library" }));
  const status = h("p.status", { role: "status" });
  const nothing = empty("Nothing here yet", "Search for a song and press Import. It then stands here.");
  const more = h("button.quiet", { type: "button", hidden: true, onclick: () => loadNext() }, "Show more");
  const node = h("div.view", {}, h("header.view-head", {}, h("h1", {}, "Library ", count), filter), status, nothing, rows, more);

  // What the server found for the filter; null while everything is shown.
  let found = null;
  let cursor = null;
  let controller = null;

  const shown = () => {
    const songs = found ?? librarySongs();
    return songs.filter((song) => !state.hidden.has(song.id) && !state.removed.has(song.id));
  };

  async function applyFilter() {
    controller?.abort();
    controller = new AbortController();
    const { signal } = controller;
    const q = filter.value.trim();
    if (!q) {
      [found, cursor] = [null, null];
      return update();
    }
    try {
      const page = await music.library({ q }, signal);
      if (signal.aborted) return;
      [found, cursor] = [page.songs, page.next_cursor];
      update();
    } catch (error) {
      showProblem(error);
    }
  }

  async function loadNext() {
    more.disabled = true;
    try {
      if (found === null) {
        await loadMore();
      } else {
        const page = await music.library({ q: filter.value.trim(), cursor });
        [found, cursor] = [[...found, ...page.songs], page.next_cursor];
        update();
      }
    } catch (error) {
      showProblem(error);
    } finally {
      more.disabled = false;
    }
  }

  const later = debounce(applyFilter, 200);
  filter.addEventListener("input", later);

  function update() {
    const songs = shown().map((song) => state.songs.get(song.id) ?? song);
    syncRows(rows, songs, (song) => song.id, (song) => songRow(song, player, shown));
    const total = Math.max(0, state.total - state.hidden.size);
    count.textContent = state.loaded && total ? total.toLocaleString("en") : "";
    more.hidden = found === null ? !state.nextCursor : !cursor;
    const isEmpty = state.loaded && !songs.length;
    nothing.hidden = !isEmpty || found !== null;
    filter.hidden = !nothing.hidden;
    if (!state.loaded) status.textContent = "Opening your library…";
    else status.textContent = isEmpty && found ? "No song of yours matches." : "";
  }

  update();
  return { node, update, focus: () => {}, title: "Library", destroy: () => (later.cancel(), controller?.abort()) };
}

export function importsView(player) {
  const rows = walkRows(h("ul.rows", { "aria-label": "Imports" }));
  const status = h("p.status", { role: "status" });
  const nothing = empty("No imports yet", "What you import shows here how far it is, and what went wrong if something did.");
  const node = h("div.view", {}, h("header.view-head", {}, h("h1", {}, "Imports")), status, nothing, rows);

  function update() {
    const jobs = importJobs();
    // What is under way first, then what went wrong, then the rest; each newest first.
    const place = (job) => (isLive(job) ? 0 : job.status === "failed" ? 1 : 2);
    jobs.sort((a, b) => place(a) - place(b));
    syncRows(rows, jobs, (job) => job.id, (job) => jobRow(job, player, songOf));
    status.textContent = state.loaded ? "" : "Opening your imports…";
    nothing.hidden = !state.loaded || jobs.length > 0;
  }

  const songOf = (job) => {
    const song = state.songs.get(job.song_id);
    return song && !state.hidden.has(song.id) ? song : null;
  };

  update();
  return { node, update, focus: () => {}, title: "Imports", destroy: () => {} };
}
