// Small parts that every view uses: elements, icons, lists that keep their rows, words for numbers.

const SVG = "http://www.w3.org/2000/svg";

/** Makes an element: `h("button.primary", { type: "button", onclick }, "Text", child)`. */
export function h(spec, props = {}, ...children) {
  const [tag, ...classes] = spec.split(".");
  const node = document.createElement(tag || "div");
  if (classes.length) node.className = classes.join(" ");
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name in node && !name.startsWith("aria") && name !== "list") node[name] = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

// Paths on a 24 × 24 grid, drawn with a stroke.
const ICONS = {
  search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14M20 20l-4-4",
  library: "M5 4v16M10 4v16M15 5l4 15",
  imports: "M12 4v11M7 11l5 5 5-5M5 20h14",
  play: "M8 5.5v13l10.500-6.500z",
  pause: "M8.500 5.500v13M15.500 5.500v13",
  next: "M6 6v12l9-6zM18.500 6v12",
  previous: "M18 6v12l-9-6zM5.500 6v12",
  plus: "M12 5v14M5 12h14",
  remove: "M6 6l12 12M18 6L6 18",
  retry: "M20 11a8 8 0 1 0-2.300 6.300M20 5v6h-6",
  volume: "M5 9.500v5h3.500l5 4v-13l-5 4zM17 9.500a4 4 0 0 1 0 5",
  muted: "M5 9.500v5h3.500l5 4v-13l-5 4zM17 10l4 4M21 10l-4 4",
  leave: "M14 5H6v14h8M10 12h10M17 9l3 3-3 3",
  info: "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16M12 11v5M12 8v.01",
  note: "M9 18V6l10-2v12M6.500 15.500a2.500 2.500 0 1 0 0 5 2.500 2.500 0 0 0 0-5M16.500 13.500a2.500 2.500 0 1 0 0 5 2.500 2.500 0 0 0 0-5",
};

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** A ring that fills with the per cent of an import; under the pointer it shows that a press stops it. */
export function ring(percent) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "ring");
  svg.setAttribute("aria-hidden", "true");
  for (const part of ["track", "done"]) {
    const circle = document.createElementNS(SVG, "circle");
    for (const [name, value] of [["cx", 12], ["cy", 12], ["r", 9], ["pathLength", 100], ["class", part]]) {
      circle.setAttribute(name, value);
    }
    if (part === "done") circle.setAttribute("stroke-dasharray", `${Math.max(percent, 2)} 100`);
    svg.append(circle);
  }
  const stop = document.createElementNS(SVG, "path");
  stop.setAttribute("class", "stop");
  stop.setAttribute("d", "M9 9l6 6M15 9l-6 6");
  svg.append(stop);
  return svg;
}

/** The project's mark. */
export function mark() {
  return h("img.mark", { src: "/favicon.svg", alt: "", width: 28, height: 28 });
}

/** What a list says while there is nothing in it. */
export function empty(title, text) {
  return h("div.empty", { hidden: true }, mark(), h("p.empty-title", {}, title), h("p", {}, text));
}

/** A picture of 40 × 40, or a quiet place for it. */
export function cover(url) {
  const box = h("span.cover", { "aria-hidden": "true" }, icon("note"));
  if (url) {
    const image = h("img", { alt: "", loading: "lazy", decoding: "async", width: 40, height: 40, src: url });
    image.addEventListener("error", () => image.remove());
    box.append(image);
  }
  return box;
}

/** Keeps one row per item, in order, and reuses rows so that focus and playing pictures stay. */
export function syncRows(list, items, keyOf, create) {
  const rows = (list.rows ??= new Map());
  const wanted = new Set(items.map(keyOf));
  for (const [key, row] of rows) {
    if (!wanted.has(key)) {
      row.node.remove();
      rows.delete(key);
    }
  }
  items.forEach((item, at) => {
    const key = keyOf(item);
    let row = rows.get(key);
    if (!row) rows.set(key, (row = create(item)));
    row.update(item);
    if (list.children[at] !== row.node) list.insertBefore(row.node, list.children[at] ?? null);
  });
}

/** Replaces an element's content only when it would change, so that nothing flickers. */
export function setContent(node, state, ...children) {
  if (node.shownState === state) return;
  node.shownState = state;
  node.replaceChildren(...children);
}

export function duration(seconds) {
  if (!Number.isFinite(seconds) || seconds < 0) return "";
  const whole = Math.round(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  const two = (value) => String(value).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** As a screen reader should say it. */
export function spokenDuration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const [minutes, rest] = [Math.floor(whole / 60), whole % 60];
  return minutes ? `${minutes} min ${rest} s` : `${rest} s`;
}

/** Says something to screen readers; sighted people see it elsewhere. */
export function announce(text) {
  const announcer = document.getElementById("announcer");
  announcer.textContent = "";
  requestAnimationFrame(() => (announcer.textContent = text));
}

/** A passing notice, with an action such as undo. Returns a function that takes it away. */
export function notice(text, { action, onaction, seconds = 6, bad = false } = {}) {
  const node = h(bad ? "div.notice.bad" : "div.notice", {}, h("span", {}, text));
  let timer = 0;
  const close = () => {
    clearTimeout(timer);
    node.remove();
  };
  if (action) {
    node.append(h("button.link", { type: "button", onclick: () => (close(), onaction()) }, action));
  }
  document.getElementById("notices").append(node);
  timer = setTimeout(close, seconds * 1000);
  return close;
}

export function debounce(call, delay) {
  let timer = 0;
  const later = (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => call(...args), delay);
  };
  later.cancel = () => clearTimeout(timer);
  return later;
}
