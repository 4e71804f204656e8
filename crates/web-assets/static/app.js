// The page's entry: opens the session, shows the view that the address names, and keeps everything
// that outlives a view (player, events, keys).

import { auth, isSignedIn, mayHaveSession, onSignedOut, refresh } from "./js/api.js";
import { authView } from "./js/auth-view.js";
import { h, icon, mark, notice } from "./js/dom.js";
import { follow } from "./js/events.js";
import { importsView, libraryView } from "./js/lists-view.js";
import { playerBar } from "./js/player-bar.js";
import { Player } from "./js/player.js";
import { searchView } from "./js/search-view.js";
import { clearState, importJobs, isLive, loadAll, showProblem, state, subscribe, takeJob, takeLibraryEvent } from "./js/state.js";

// A lost line is not worth a word before this.
const LINE_PATIENCE_MS = 4_000;

const root = document.getElementById("app");
const player = new Player();
const VIEWS = { "/": searchView, "/library": libraryView, "/imports": importsView };
const LINKS = [
  ["/", "search", "Search"],
  ["/library", "library", "Library"],
  ["/imports", "imports", "Imports"],
];

let view = null;
let main = null;
let links = [];
let stopFollowing = null;
let line = null;
let lineTimer = 0;

player.addEventListener("change", () => view?.update());
player.addEventListener("problem", ({ detail }) => showProblem(detail.status === undefined ? asNotice(detail) : detail));
subscribe(() => {
  if (!isSignedIn()) return;
  if (player.song && state.removed.has(player.song.id)) player.drop(player.song.id);
  view?.update();
  showLinks();
});
onSignedOut(() => {
  leave();
  showAuth();
});

function asNotice(error) {
  notice(error.message, { bad: true });
  return Object.assign(new Error(), { name: "AbortError" });
}

function showAuth() {
  const params = new URLSearchParams(location.search);
  const page = authView(location.pathname, params, open);
  root.replaceChildren(page.node);
  page.focus();
}

async function open() {
  if (!VIEWS[location.pathname]) history.replaceState(null, "", "/");
  root.replaceChildren(frame());
  show();
  stopFollowing?.();
  stopFollowing = follow({
    onfresh: () => loadAll().catch(showProblem),
    onstate: showLine,
    onevent: (name, data) => {
      if (name === "job") takeJob(data);
      if (name === "library") takeLibraryEvent(data);
    },
  });
  // The stream of events may be held up by a proxy; the page does not wait for it.
  loadAll().catch(showProblem);
}

/** Says that news do not arrive, once that lasts. */
function showLine(connected) {
  clearTimeout(lineTimer);
  if (connected) line.hidden = true;
  else lineTimer = setTimeout(() => (line.hidden = false), LINE_PATIENCE_MS);
}

function leave() {
  stopFollowing?.();
  clearTimeout(lineTimer);
  stopFollowing = null;
  player.stop();
  view?.destroy();
  view = null;
  clearState();
}

function frame() {
  links = LINKS.map(([path, symbol, text]) => {
    const badge = h("span.badge", { hidden: true });
    const link = h("a.nav-link", { href: path, onclick: (event) => follows(event, path) }, icon(symbol), h("span", {}, text), badge);
    return { path, link, badge };
  });
  main = h("main", { id: "main", tabIndex: -1 });
  line = h("p.line", { role: "status", hidden: true }, "No connection to Songkeep. Trying again…");
  const who = h("span.who");
  auth.me().then((me) => (who.textContent = me.email), () => {});
  const leaveButton = h("button.nav-link.leave", { type: "button", onclick: () => auth.signOut() }, icon("leave"), h("span", {}, "Sign out"));
  return h(
    "div.frame", {},
    h("nav.rail", { "aria-label": "Main" }, h("a.brand", { href: "/", onclick: (event) => follows(event, "/") }, mark(), h("span", {}, "Songkeep")),
      ...links.map(({ link }) => link), h("div.rail-end", {}, who, leaveButton)),
    main,
    line,
    playerBar(player),
  );
}

/** Changes the view without loading the page, unless the click asks for a new tab or window. */
function follows(event, path) {
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  go(path);
}

function go(path) {
  if (location.pathname !== path || location.search) history.pushState(null, "", path);
  show();
}

function show() {
  const make = VIEWS[location.pathname] ?? searchView;
  view?.destroy();
  view = make(player, new URLSearchParams(location.search));
  main.replaceChildren(view.node);
  main.scrollTo?.(0, 0);
  window.scrollTo(0, 0);
  document.title = `${view.title} · Songkeep`;
  // On phones a focused field would open the keyboard.
  main.focus({ preventScroll: true });
  if (!matchMedia("(pointer: coarse)").matches) view.focus();
  showLinks();
}

function showLinks() {
  const running = importJobs().filter(isLive).length;
  for (const { path, link, badge } of links) {
    if (location.pathname === path) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
    if (path !== "/imports") continue;
    badge.hidden = running === 0;
    badge.textContent = running;
    badge.setAttribute("aria-label", `${running} under way`);
  }
}

window.addEventListener("popstate", () => (isSignedIn() ? show() : showAuth()));

document.addEventListener("keydown", (event) => {
  if (!isSignedIn() || event.altKey) return;
  const typing = event.target.closest("input:not([type=range]), textarea, select");
  const isFind = (event.key === "k" && (event.ctrlKey || event.metaKey)) || (event.key === "/" && !typing);
  if (isFind) {
    event.preventDefault();
    if (location.pathname !== "/") go("/");
    view.focus();
  } else if (event.key === " " && !typing && !event.target.closest("button, a") && player.song) {
    event.preventDefault();
    player.toggle();
  }
});

async function start() {
  const isTokenLink = (location.pathname === "/verify" || location.pathname === "/setup") && location.search.includes("token=");
  if (isTokenLink) return showAuth();
  try {
    if (mayHaveSession() && (await refresh())) return open();
  } catch (error) {
    root.replaceChildren(
      h("div.boot", {}, h("p.problem", { role: "alert" }, error.message),
        h("button.primary", { type: "button", onclick: start }, "Try again")),
    );
    return;
  }
  showAuth();
}

start();
