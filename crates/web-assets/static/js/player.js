// The only owner of the audio element and of the system's media keys. Plays a queue of songs and
// keeps their stream addresses fresh.

import { music } from "./api.js";

// An address is renewed this long before it ends.
const MARGIN_MS = 5_000;
// A second failure within this time is final.
const RETRY_MS = 10_000;
// The next song's address is asked for this long before the end of the current one.
const AHEAD_SECONDS = 15;
const VOLUME_KEY = "songkeep.volume";

/** Says `change` (song or state), `time` (position or length) and `problem` (detail: the error). */
export class Player extends EventTarget {
  constructor() {
    super();
    this.audio = new Audio();
    this.audio.preload = "auto";
    this.queue = [];
    this.at = -1;
    this.wanted = false;
    this.loading = false;
    this.grants = new Map();
    this.failedAt = -Infinity;
    this.volume = readVolume();
    this.listen();
    this.connectMediaKeys();
  }

  get song() {
    return this.queue[this.at] ?? null;
  }

  get isPlaying() {
    return this.wanted;
  }

  get duration() {
    return Number.isFinite(this.audio.duration) ? this.audio.duration : this.song?.duration_sec ?? 0;
  }

  get position() {
    return this.resumeAt ?? this.audio.currentTime;
  }

  set volume(level) {
    this.level = Math.min(1, Math.max(0, level));
    // Loudness is heard on a curve.
    this.audio.volume = this.level ** 2;
    try {
      localStorage.setItem(VOLUME_KEY, String(this.level));
    } catch {
      // Private windows may refuse; the level then lasts as long as the page.
    }
    this.say("change");
  }

  get volume() {
    return this.level;
  }

  say(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  listen() {
    const { audio } = this;
    for (const name of ["timeupdate", "durationchange", "seeked", "progress"]) {
      audio.addEventListener(name, () => this.onTime());
    }
    audio.addEventListener("playing", () => this.setLoading(false));
    audio.addEventListener("waiting", () => this.setLoading(true));
    // Headphones pulled out, or another program took over.
    audio.addEventListener("pause", () => {
      const isOver = audio.paused && !audio.ended && !audio.error;
      if (this.wanted && isOver && !this.changing) this.setWanted(false);
    });
    audio.addEventListener("ended", () => this.next(true));
    audio.addEventListener("error", () => this.onError());
  }

  setWanted(wanted) {
    this.wanted = wanted;
    if ("mediaSession" in navigator) navigator.mediaSession.playbackState = wanted ? "playing" : "paused";
    this.say("change");
  }

  setLoading(loading) {
    this.loading = loading;
    this.say("change");
  }

  /** Plays a song; `queue` is what follows and precedes it. */
  async play(song, queue = [song]) {
    const at = queue.findIndex((other) => other.id === song.id);
    this.queue = at < 0 ? [song] : queue.slice();
    this.at = Math.max(at, 0);
    await this.start(0);
  }

  async start(position) {
    const { song } = this;
    if (!song) return;
    this.changing = true;
    this.audio.pause();
    this.resumeAt = position;
    this.setWanted(true);
    this.setLoading(true);
    this.describe(song);
    try {
      const grant = await this.grantFor(song);
      if (this.song !== song) return;
      this.audio.src = grant.url;
      if (position > 0) this.audio.currentTime = position;
      this.resumeAt = undefined;
      this.changing = false;
      if (this.wanted) await this.audio.play();
    } catch (error) {
      // Another song was chosen, or the audio element tells of the same failure by its own event.
      if (this.song !== song || error.name === "AbortError" || error.name === "NotSupportedError") return;
      this.changing = false;
      this.setLoading(false);
      this.setWanted(false);
      // Browsers refuse sound that nobody asked for; the play button then stands ready.
      if (error.name !== "NotAllowedError") this.say("problem", error);
    }
  }

  async grantFor(song) {
    const known = this.grants.get(song.id);
    if (known && known.until > Date.now()) return known;
    const { stream_url: url, expires_in: seconds } = await music.stream(song.id);
    const grant = { url, until: Date.now() + seconds * 1000 - MARGIN_MS };
    this.grants.clear();
    this.grants.set(song.id, grant);
    return grant;
  }

  /** The stream broke: most likely its address ran out, so try a fresh one where it stopped. */
  onError() {
    const { song } = this;
    if (!song || this.changing || !this.audio.getAttribute("src")) return;
    const position = this.audio.currentTime;
    this.grants.delete(song.id);
    if (Date.now() - this.failedAt > RETRY_MS) {
      this.failedAt = Date.now();
      if (this.wanted) this.start(position);
      else this.resumeAt = position;
    } else {
      this.setLoading(false);
      this.setWanted(false);
      this.resumeAt = position;
      this.say("problem", new Error(`“${song.title}” cannot be played at the moment. Try again in a moment.`));
    }
  }

  toggle() {
    if (!this.song) return;
    if (this.wanted) return this.pause();
    const grant = this.grants.get(this.song.id);
    const isFresh = grant && grant.until > Date.now();
    if (!isFresh || this.resumeAt !== undefined || this.audio.error) return this.start(this.position);
    this.setWanted(true);
    this.audio.play().catch(() => this.setWanted(false));
  }

  pause() {
    this.setWanted(false);
    this.audio.pause();
  }

  seek(seconds) {
    const target = Math.min(Math.max(0, seconds), Math.max(0, this.duration - 0.25));
    if (this.resumeAt !== undefined) this.resumeAt = target;
    else this.audio.currentTime = target;
    this.onTime();
  }

  next(ended = false) {
    if (this.at + 1 < this.queue.length) {
      this.at += 1;
      return this.start(0);
    }
    if (ended) {
      this.setWanted(false);
      this.say("time");
    }
  }

  previous() {
    if (this.position > 4 || this.at <= 0) return this.seek(0);
    this.at -= 1;
    return this.start(0);
  }

  /** A song has left the library. */
  drop(id) {
    const at = this.queue.findIndex((song) => song.id === id);
    if (at < 0) return;
    if (at === this.at) return this.stop();
    this.queue.splice(at, 1);
    if (at < this.at) this.at -= 1;
    this.say("change");
  }

  stop() {
    this.queue = [];
    this.at = -1;
    this.resumeAt = undefined;
    this.grants.clear();
    this.audio.pause();
    this.audio.removeAttribute("src");
    this.audio.load();
    if ("mediaSession" in navigator) navigator.mediaSession.metadata = null;
    this.setWanted(false);
  }

  onTime() {
    const next = this.queue[this.at + 1];
    const left = this.duration - this.position;
    if (this.wanted && next && left > 0 && left < AHEAD_SECONDS && !this.grants.has(next.id)) {
      this.askAhead(next);
    }
    if ("mediaSession" in navigator && Number.isFinite(this.audio.duration)) {
      const { duration, currentTime: position } = this.audio;
      navigator.mediaSession.setPositionState({ duration, position: Math.min(position, duration), playbackRate: 1 });
    }
    this.say("time");
  }

  askAhead(song) {
    this.grants.set(song.id, { url: "", until: 0 });
    music.stream(song.id).then(
      ({ stream_url: url, expires_in: seconds }) =>
        this.grants.set(song.id, { url, until: Date.now() + seconds * 1000 - MARGIN_MS }),
      () => {},
    );
  }

  describe(song) {
    if (!("mediaSession" in navigator)) return;
    const artwork = song.cover_url ? [{ src: song.cover_url }] : [];
    navigator.mediaSession.metadata = new MediaMetadata({
      title: song.title, artist: song.artist ?? "", album: song.album ?? "", artwork,
    });
  }

  connectMediaKeys() {
    if (!("mediaSession" in navigator)) return;
    const keys = {
      play: () => this.wanted || this.toggle(),
      pause: () => this.pause(),
      nexttrack: () => this.next(),
      previoustrack: () => this.previous(),
      seekto: ({ seekTime }) => this.seek(seekTime),
      seekforward: ({ seekOffset }) => this.seek(this.position + (seekOffset || 10)),
      seekbackward: ({ seekOffset }) => this.seek(this.position - (seekOffset || 10)),
      stop: () => this.stop(),
    };
    for (const [key, action] of Object.entries(keys)) {
      try {
        navigator.mediaSession.setActionHandler(key, action);
      } catch {
        // Not every browser knows every key.
      }
    }
  }
}

function readVolume() {
  try {
    const level = Number(localStorage.getItem(VOLUME_KEY) ?? 1);
    return Number.isFinite(level) ? level : 1;
  } catch {
    return 1;
  }
}
