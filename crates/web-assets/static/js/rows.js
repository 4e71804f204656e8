// Rows of songs: picture, title over artist, length, and one button that changes in place.

import { cover, duration, h, icon, ring, setContent, spokenDuration } from "./dom.js";
import { cancelImport, candidateStatus, isLive, removeSong, retryImport, startImport } from "./state.js";

function rowFrame({ title, subtitle, image, length, extra = [], note = null }) {
  const button = h("button.row-action", { type: "button" });
  const text = h("span.row-text", {}, h("span.row-title", { title }, title), h("span.row-subtitle", {}, subtitle), note);
  const time = h("span.row-length", { "aria-label": length ? spokenDuration(length) : undefined }, duration(length ?? NaN));
  const meter = h("span.meter", { "aria-hidden": "true" }, h("i"), h("i"), h("i"));
  const node = h("li.row", {}, h("span.row-art", {}, cover(image), meter), text, ...extra, time, button);
  return { node, button, text };
}

/** Shows play or pause on a row's button, for a song that is or is not the current one. */
function showPlay(node, button, song, player) {
  const isCurrent = player.song?.id === song.id;
  const isPlaying = isCurrent && player.isPlaying;
  node.classList.toggle("current", isCurrent);
  node.classList.toggle("playing", isPlaying);
  button.className = "row-action play";
  button.title = "";
  button.setAttribute("aria-label", `${isPlaying ? "Pause" : "Play"} ${song.title}`);
  setContent(button, isPlaying ? "pause" : "play", icon(isPlaying ? "pause" : "play"), h("span.label", {}, isPlaying ? "Pause" : "Play"));
}

function showImport(button, title, percent) {
  button.className = "row-action progress";
  button.title = "Cancel this import";
  button.setAttribute("aria-label", `Importing ${title}, ${percent} per cent. Press to cancel.`);
  setContent(button, `progress ${percent}`, ring(percent), h("span.label", {}, `${percent} %`));
}

/** One search hit. `player` plays it once it is in the library. */
export function candidateRow(candidate, player) {
  const reasons = candidate.reasons ?? [];
  const why = reasons.length
    ? h("span.why", { tabIndex: 0, role: "img", "aria-label": `Why this one: ${reasons.join(", ")}` }, icon("info"),
        h("span.tip", { "aria-hidden": "true" }, ...reasons.map((reason) => h("span", {}, reason))))
    : null;
  const note = h("span.row-note", { hidden: true });
  const { node, button } = rowFrame({
    title: candidate.title,
    subtitle: [byline(candidate), candidate.album].filter(Boolean).join(" · "),
    image: candidate.thumbnail_url,
    length: candidate.duration_sec,
    extra: [why],
    note,
  });
  let status = { kind: "import" };

  const act = () => {
    if (status.kind === "play") playOrPause(status.song, player);
    else if (status.kind === "progress") cancelImport(status.job);
    else if (status.kind === "failed") retryImport(status.job);
    else startImport(candidate);
  };
  button.addEventListener("click", act);
  node.addEventListener("dblclick", () => status.kind === "play" && playOrPause(status.song, player));

  function update() {
    status = candidateStatus(candidate);
    note.hidden = status.kind !== "failed";
    node.classList.toggle("current", false);
    node.classList.toggle("playing", false);
    if (status.kind === "play") return showPlay(node, button, { ...status.song, title: candidate.title }, player);
    if (status.kind === "progress") return showImport(button, candidate.title, status.percent);
    const failed = status.kind === "failed";
    if (failed) note.textContent = status.job.failure_reason ?? "This import failed.";
    button.className = "row-action import";
    button.title = "";
    button.setAttribute("aria-label", `${failed ? "Try to import again:" : "Import"} ${candidate.title}`);
    setContent(button, status.kind, icon(failed ? "retry" : "plus"), h("span.label", {}, failed ? "Try again" : "Import"));
  }
  return { node, update };
}

/** One song of the library. `songsAround()` is the list it stands in. */
export function songRow(song, player, songsAround) {
  const remove = h("button.row-remove", { type: "button", "aria-label": `Remove ${song.title} from your library`, title: "Remove from library" }, icon("remove"));
  const { node, button, text } = rowFrame({
    title: song.title,
    subtitle: subtitleOf(song),
    image: song.cover_url,
    length: song.duration_sec,
    extra: [remove],
  });
  node.classList.add("owned");
  let current = song;
  const act = () => playOrPause(current, player, songsAround());
  button.addEventListener("click", act);
  node.addEventListener("dblclick", (event) => event.target.closest("button") || act());
  remove.addEventListener("click", () => {
    const neighbour = node.nextElementSibling ?? node.previousElementSibling;
    player.drop(current.id);
    removeSong(current);
    neighbour?.querySelector(".row-action")?.focus();
  });
  return {
    node,
    update(fresh) {
      if (fresh && fresh !== current) {
        current = fresh;
        text.children[0].textContent = fresh.title;
        text.children[1].textContent = subtitleOf(fresh);
      }
      showPlay(node, button, current, player);
    },
  };
}

// The catalogue's own channels are called "Name - Topic".
const byline = ({ artists, channel }) => (artists?.length ? artists.join(", ") : channel?.replace(/ - Topic$/, ""));

const subtitleOf = (song) => [song.artist ?? song.source_channel, song.album].filter(Boolean).join(" · ");

/** One import: where it stands, or why it failed and what can be done. */
export function jobRow(job, player, findSong) {
  const note = h("span.row-note", { hidden: true });
  const { node, button, text } = rowFrame({ title: job.title, subtitle: "", image: null, length: null, note });
  let current = job;
  button.addEventListener("click", () => {
    const song = findSong(current);
    if (isLive(current)) cancelImport(current);
    else if (current.status !== "completed") retryImport(current);
    else if (song) playOrPause(song, player);
  });

  function update(fresh) {
    current = fresh ?? current;
    const { title, status } = current;
    text.children[0].textContent = title;
    text.children[1].textContent = describe(current);
    const waits = isLive(current) && current.failure_reason;
    note.hidden = !(status === "failed" || waits);
    note.textContent = waits ? `Trying again by itself. ${current.failure_reason}` : current.failure_reason ?? "";
    node.classList.remove("current", "playing");
    node.classList.toggle("owned", status === "completed");
    button.hidden = false;
    if (isLive(current)) return showImport(button, title, current.progress);
    if (status === "completed") {
      const song = findSong(current);
      button.hidden = !song;
      return song && showPlay(node, button, song, player);
    }
    button.className = "row-action import";
    button.title = "";
    button.setAttribute("aria-label", `Try to import again: ${title}`);
    setContent(button, "retry", icon("retry"), h("span.label", {}, "Try again"));
  }
  return { node, update };
}

const STAGES = {
  queued: "Waiting for its turn",
  "preparing tools": "Setting up the download tools; this happens once",
  resolve: "Asking the source",
  download: "Downloading",
  process: "Preparing the file",
  store: "Storing",
  publish: "Adding to your library",
};

function describe(job) {
  if (isLive(job)) return STAGES[job.stage] ?? "Under way";
  return { completed: "In your library", failed: "Failed", cancelled: "Cancelled" }[job.status] ?? job.status;
}

function playOrPause(song, player, queue) {
  if (player.song?.id === song.id) player.toggle();
  else player.play(song, queue);
}

/** Up and down move between the buttons of a list. */
export function walkRows(list) {
  list.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    const row = event.target.closest("li");
    const other = event.key === "ArrowDown" ? row?.nextElementSibling : row?.previousElementSibling;
    const button = other?.querySelector(".row-action:not([hidden])");
    if (!button) return;
    event.preventDefault();
    button.focus();
  });
  return list;
}
