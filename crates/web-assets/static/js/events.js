// Follows the server's events. `EventSource` cannot send the access token, so this reads the stream of
// a fetch: it resumes after the last event seen, and starts again by itself when the line is lost.

import { bearer, isSignedIn, refresh } from "./api.js";

// The server says something at least every 15 s.
const SILENCE_MS = 45_000;

/**
 * Starts to follow. `onevent(name, data)` hears each event, `onfresh()` is called when the state must
 * be read anew (first connection, or events were missed), `onstate(connected)` when the line changes.
 * Returns a function that stops.
 */
export function follow({ onevent, onfresh, onstate }) {
  let lastId = null;
  let stopped = false;
  let controller = null;
  let wake = null;
  let failures = 0;

  async function connect() {
    controller = new AbortController();
    const headers = { Accept: "text/event-stream", Authorization: bearer() };
    if (lastId !== null) headers["Last-Event-ID"] = lastId;
    const response = await fetch("/api/events", {
      headers, signal: controller.signal, cache: "no-store", credentials: "same-origin",
    });
    if (response.status === 401) {
      if (!(await refresh())) stopped = true;
      return;
    }
    if (!response.ok || !response.body) throw new Error(`events answered ${response.status}`);
    if (lastId === null) onfresh();
    onstate(true);
    failures = 0;
    await readStream(response.body);
  }

  async function readStream(body) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    let event = { name: "message", data: [], id: null };
    for (;;) {
      const silence = setTimeout(() => controller.abort(), SILENCE_MS);
      const { value, done } = await reader.read().finally(() => clearTimeout(silence));
      if (done) return;
      const lines = (rest + value).split(/\r\n|\n|\r/);
      rest = lines.pop();
      for (const line of lines) {
        if (line === "") {
          dispatch(event);
          event = { name: "message", data: [], id: null };
        } else if (!line.startsWith(":")) {
          take(event, line);
        }
      }
    }
  }

  function take(event, line) {
    const at = line.indexOf(":");
    const field = at < 0 ? line : line.slice(0, at);
    const value = at < 0 ? "" : line.slice(at + 1).replace(/^ /, "");
    if (field === "event") event.name = value;
    else if (field === "data") event.data.push(value);
    else if (field === "id") event.id = value;
  }

  function dispatch(event) {
    if (event.id !== null) lastId = event.id;
    if (event.name === "reset") {
      onfresh();
    } else if (event.data.length) {
      try {
        onevent(event.name, JSON.parse(event.data.join("\n")));
      } catch (error) {
        console.error("an event could not be used", event.name, error);
      }
    }
  }

  const pause = (ms) =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      wake = () => (clearTimeout(timer), resolve());
    });

  async function run() {
    while (!stopped && isSignedIn()) {
      try {
        await connect();
      } catch {
        failures += 1;
      }
      if (stopped || !isSignedIn()) break;
      onstate(false);
      // 0.5 s after an orderly end, then 1, 2, 4 … 30 s, apart from other clients by chance.
      await pause(Math.min(500 * 2 ** failures, 30_000) * (0.75 + Math.random() / 2));
    }
  }

  const retryNow = () => wake?.();
  window.addEventListener("online", retryNow);
  run();
  return () => {
    stopped = true;
    window.removeEventListener("online", retryNow);
    controller?.abort();
    wake?.();
  };
}
