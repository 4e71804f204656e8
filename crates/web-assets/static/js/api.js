// Talks to the API. The access token lives in this module's memory only; the refresh cookie, which
// scripts cannot read, brings a new one.

// Remembers that there may be a session, so that a first visit does not ask for one in vain, and tells
// other tabs of a sign-out.
const SESSION_KEY = "songkeep.session";

let accessToken = null;
let renewAt = 0;
let renewTimer = 0;
let refreshing = null;
const signedOutListeners = new Set();

/** An answer that says no: `message` is a sentence for people, `code` is for programs. */
export class ApiProblem extends Error {
  constructor(status, problem, retryAfter) {
    super(problem.detail || "Something went wrong. Try again in a moment.");
    this.status = status;
    this.code = problem.code || "unknown";
    this.fields = problem.errors || [];
    this.retryAfter = retryAfter;
  }
}

export const isSignedIn = () => accessToken !== null;
export const bearer = () => `Bearer ${accessToken}`;

/** Calls back when the session has ended, whoever ended it. */
export function onSignedOut(listener) {
  signedOutListeners.add(listener);
}

/** Whether it is worth asking for a session. */
export function mayHaveSession() {
  try {
    return localStorage.getItem(SESSION_KEY) !== null;
  } catch {
    return true;
  }
}

function rememberSession(exists) {
  try {
    if (exists) localStorage.setItem(SESSION_KEY, "1");
    else localStorage.removeItem(SESSION_KEY);
  } catch {
    // Private windows may refuse; then each visit asks.
  }
}

window.addEventListener("storage", ({ key, newValue }) => {
  if (key === SESSION_KEY && newValue === null) forget();
});

function forget() {
  const was = accessToken !== null;
  accessToken = null;
  rememberSession(false);
  clearTimeout(renewTimer);
  if (was) signedOutListeners.forEach((listener) => listener());
}

function keep(tokens) {
  accessToken = tokens.access_token;
  rememberSession(true);
  // A minute before the end, or at four fifths of a short life.
  const life = tokens.expires_in * 1000;
  renewAt = Date.now() + Math.max(life - 60_000, life * 0.8);
  clearTimeout(renewTimer);
  renewTimer = setTimeout(() => refresh().catch(() => {}), Math.min(renewAt - Date.now(), 2 ** 31 - 1));
}

async function send(path, { method = "GET", body, signal, keepalive, authorized = true } = {}) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (authorized && accessToken) headers.Authorization = bearer();
  let response;
  try {
    response = await fetch(`/api${path}`, {
      method, headers, signal, keepalive,
      credentials: "same-origin",
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiProblem(0, { code: "offline", detail: "Songkeep cannot be reached. Check your connection." });
  }
  return response;
}

async function read(response) {
  if (response.status === 204) return null;
  const text = await response.text();
  let data = null;
  try {
    data = text ? JSON.parse(text) : null;
  } catch {
    // An answer of a proxy in between, not ours.
  }
  if (response.ok) return data;
  throw new ApiProblem(response.status, data ?? {}, Number(response.headers.get("Retry-After")) || null);
}

/** Calls the API; renews the access token once when it has run out. */
export async function call(path, options = {}) {
  if (accessToken && Date.now() > renewAt && !options.keepalive) await refresh().catch(() => {});
  let response = await send(path, options);
  if (response.status === 401 && options.authorized !== false && (await refresh().catch(() => false))) {
    response = await send(path, options);
  }
  if (response.status === 401 && options.authorized !== false) forget();
  return read(response);
}

/** Exchanges the cookie for a new access token; false when there is no session. Callers share one call. */
export function refresh() {
  refreshing ??= (async () => {
    try {
      const response = await send("/auth/refresh", { method: "POST", authorized: false });
      if (response.status === 400 || response.status === 401 || response.status === 403) {
        forget();
        return false;
      }
      keep(await read(response));
      return true;
    } finally {
      refreshing = null;
    }
  })();
  return refreshing;
}

const post = (path, body) => call(path, { method: "POST", body, authorized: false });

export const auth = {
  signUp: (email, password) => post("/auth/signup", { email, password }),
  verify: (token) => post("/auth/verify-email", { token }),
  setUp: (token, email, password) => post("/auth/setup", { token, email, password }),
  async signIn(email, password) {
    keep(await post("/auth/signin", { email, password }));
  },
  async signOut() {
    await post("/auth/logout").catch(() => {});
    forget();
  },
  me: () => call("/auth/me"),
};

const query = (values) => {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined && value !== null && value !== "") params.set(name, value);
  }
  return params.toString();
};

export const music = {
  search: (q, signal) => call(`/songs/search?${query({ q, limit: 20 })}`, { signal }),
  import: (wish) => call("/songs/import", { method: "POST", body: wish }),
  jobs: () => call("/jobs?limit=100"),
  cancelJob: (id) => call(`/jobs/${id}`, { method: "DELETE" }),
  retryJob: (id) => call(`/jobs/${id}/retry`, { method: "POST" }),
  library: ({ q, cursor, limit = 200 } = {}, signal) => call(`/library?${query({ q, cursor, limit })}`, { signal }),
  remove: (id, keepalive = false) => call(`/library/${id}`, { method: "DELETE", keepalive }),
  stream: (id) => call(`/stream/${id}`),
};
