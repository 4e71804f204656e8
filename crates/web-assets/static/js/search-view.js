// The front door: one large field, hits below it, and what is new while nothing is searched for.

import { music } from "./api.js";
import { announce, debounce, empty, h, icon, syncRows } from "./dom.js";
import { candidateRow, jobRow, songRow, walkRows } from "./rows.js";
import { importJobs, isLive, librarySongs, sourceKey, state } from "./state.js";

const list = (label) => walkRows(h("ul.rows", { "aria-label": label }));

export function searchView(player, params) {
  const field = h("input.search-field", {
    type: "search", name: "q", autocomplete: "off", spellcheck: false, maxLength: 300, enterKeyHint: "search",
    placeholder: "Search for a song, or paste a link", "aria-label": "Search for a song, or paste a link",
    value: params.get("q") ?? "",
  });
  const form = h("form.search", { role: "search", onsubmit: (event) => (event.preventDefault(), submit()) }, icon("search"), field);
  const status = h("p.status", { role: "status" });
  const nothing = empty("Nothing here yet", "Find a song above and press Import. It is then yours to play, wherever you sign in.");
  const owned = section("In your library", list("In your library"));
  const found = section("From YouTube", list("From YouTube"));
  const running = section("Imports in progress", list("Imports in progress"));
  const recent = section("Just imported", list("Just imported"));
  const node = h("div.view", {}, h("h1.visually-hidden", {}, "Search"), form, status, nothing, owned.node, found.node, running.node, recent.node);

  let candidates = [];
  let ownedSongs = [];
  let asked = "";
  let controller = null;

  async function search() {
    const q = field.value.trim();
    if (q === asked) return;
    asked = q;
    controller?.abort();
    history.replaceState(null, "", q ? `/?q=${encodeURIComponent(q)}` : "/");
    if (!q) {
      [candidates, ownedSongs] = [[], []];
      node.classList.remove("busy");
      status.textContent = "";
      return update();
    }
    controller = new AbortController();
    const { signal } = controller;
    node.classList.add("busy");
    status.classList.remove("problem");
    status.textContent = candidates.length ? "" : "Searching…";
    const own = music.library({ q, limit: 5 }, signal).catch(() => ({ songs: [] }));
    try {
      const answer = await music.search(q, signal);
      const { songs } = await own;
      if (signal.aborted) return;
      [candidates, ownedSongs] = [answer.candidates, songs];
      status.textContent = candidates.length || ownedSongs.length ? "" : `Nothing was found for “${q}”. Try other words.`;
      announce(status.textContent || `${candidates.length} recordings found.`);
    } catch (error) {
      if (error.name === "AbortError") return;
      const { songs } = await own;
      if (signal.aborted) return;
      [candidates, ownedSongs] = [[], songs];
      // The same words may be asked for again.
      asked = "";
      status.classList.add("problem");
      status.textContent = error.message;
    }
    node.classList.remove("busy");
    update();
  }

  const later = debounce(() => search(), 500);
  const submit = () => (later.cancel(), (asked = asked === field.value.trim() ? asked : ""), search());
  field.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown") return;
    const first = node.querySelector(".row-action:not([hidden])");
    if (!first) return;
    event.preventDefault();
    first.focus();
  });
  field.addEventListener("input", () => {
    const length = field.value.trim().length;
    if (length === 0 || length >= 3) later();
  });

  function update() {
    const searching = asked !== "" || candidates.length > 0;
    const own = ownedSongs.filter((song) => !state.hidden.has(song.id) && !state.removed.has(song.id));
    const ownKeys = new Set(own.map(sourceKey));
    const others = candidates.filter((candidate) => !ownKeys.has(sourceKey(candidate)));
    const live = searching ? [] : importJobs().filter(isLive).slice(0, 5);
    const newest = searching ? [] : librarySongs().slice(0, 8);
    owned.show(own, (song) => song.id, (song) => songRow(song, player, () => own));
    found.show(others, sourceKey, (candidate) => candidateRow(candidate, player));
    running.show(live, (job) => job.id, (job) => jobRow(job, player, () => null));
    recent.show(newest, (song) => song.id, (song) => songRow(song, player, () => librarySongs()));
    const hasProblem = status.classList.contains("problem");
    nothing.hidden = searching || hasProblem || !state.loaded || newest.length > 0 || live.length > 0;
    if (!searching && !hasProblem) status.textContent = "";
  }

  search();
  update();
  return { node, update, focus: () => field.focus(), title: "Search", destroy: () => (later.cancel(), controller?.abort()) };
}

function section(title, rows) {
  const node = h("section", { hidden: true }, h("h2", {}, title), rows);
  return {
    node,
    show(items, keyOf, create) {
      node.hidden = items.length === 0;
      syncRows(rows, items, keyOf, create);
    },
  };
}
