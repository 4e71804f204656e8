// The bar that is always there: what plays, where it is, and the controls.

import { announce, cover, duration, h, icon, setContent, spokenDuration } from "./dom.js";

export function playerBar(player) {
  const art = h("span.bar-art");
  const title = h("span.row-title");
  const artist = h("span.row-subtitle");
  const control = (name, label, onclick, kind = "bar-button") =>
    h(`button.${kind}`, { type: "button", "aria-label": label, title: label, onclick }, icon(name));
  const previous = control("previous", "Previous song", () => player.previous());
  const toggle = control("play", "Play", () => player.toggle(), "bar-toggle");
  const next = control("next", "Next song", () => player.next());
  const seek = h("input.slider.seek", { type: "range", min: 0, max: 1, step: 0.1, value: 0, "aria-label": "Position" });
  const elapsed = h("span.time", { "aria-hidden": "true" }, "0:00");
  const total = h("span.time", { "aria-hidden": "true" }, "0:00");
  const mute = control("volume", "Mute", () => toggleMute());
  const volume = h("input.slider.volume", { type: "range", min: 0, max: 100, step: 1, "aria-label": "Volume" });
  const node = h(
    "section.bar", { "aria-label": "Player", hidden: true },
    h("div.bar-song", {}, art, h("span.row-text", {}, title, artist)),
    h("div.bar-controls", {}, previous, toggle, next),
    h("div.bar-seek", {}, elapsed, seek, total),
    h("div.bar-volume", {}, mute, volume),
  );

  let dragging = false;
  let shownSong = null;
  let loudBefore = 1;

  seek.addEventListener("input", () => {
    dragging = true;
    showTime(Number(seek.value));
  });
  seek.addEventListener("change", () => {
    dragging = false;
    player.seek(Number(seek.value));
  });
  seek.addEventListener("keydown", (event) => {
    const direction = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!direction) return;
    event.preventDefault();
    player.seek(player.position + direction * (event.shiftKey ? 30 : 5));
  });
  volume.addEventListener("input", () => (player.volume = Number(volume.value) / 100));
  volume.addEventListener("wheel", (event) => {
    event.preventDefault();
    player.volume -= Math.sign(event.deltaY) * 0.05;
  }, { passive: false });

  function toggleMute() {
    if (player.volume > 0) [loudBefore, player.volume] = [player.volume, 0];
    else player.volume = loudBefore;
  }

  function showTime(position) {
    const length = player.duration;
    elapsed.textContent = duration(position);
    total.textContent = duration(length);
    seek.max = length || 1;
    if (!dragging) seek.value = position;
    seek.style.setProperty("--done", `${length ? Math.min(100, (position / length) * 100) : 0}%`);
    seek.setAttribute("aria-valuetext", `${spokenDuration(position)} of ${spokenDuration(length)}`);
  }

  function update() {
    const { song } = player;
    node.hidden = !song;
    if (song && song !== shownSong) {
      art.replaceChildren(cover(song.cover_url));
      title.textContent = song.title;
      artist.textContent = song.artist ?? song.source_channel ?? "";
      announce(`Playing ${song.title}${song.artist ? ` by ${song.artist}` : ""}.`);
    }
    shownSong = song;
    const label = player.isPlaying ? "Pause" : "Play";
    setContent(toggle, label, icon(player.isPlaying ? "pause" : "play"));
    toggle.setAttribute("aria-label", label);
    toggle.title = label;
    toggle.classList.toggle("loading", player.isPlaying && player.loading);
    previous.disabled = !song;
    next.disabled = player.at + 1 >= player.queue.length;
    const silent = player.volume === 0;
    setContent(mute, silent ? "muted" : "volume", icon(silent ? "muted" : "volume"));
    mute.setAttribute("aria-label", silent ? "Unmute" : "Mute");
    volume.value = Math.round(player.volume * 100);
    volume.style.setProperty("--done", `${volume.value}%`);
    showTime(player.position);
  }

  player.addEventListener("change", update);
  player.addEventListener("time", () => dragging || showTime(player.position));
  update();
  return node;
}
