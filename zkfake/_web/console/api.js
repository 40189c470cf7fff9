/* Requests to the control endpoint.

Rules that live here: the token is in the session storage of this tab, and nowhere else; the address
of the page loses it at once. Every request has it. When it is refused, it is asked for again. */

const KEY = "zkfake token";

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Calls `listener` when there is no token, or a wrong one. */
export function onNoToken(listener) {
  noToken = listener;
}
let noToken = () => {};

export const hasToken = () => sessionStorage.getItem(KEY) !== null;

export const setToken = (token) => sessionStorage.setItem(KEY, token);

/** Takes the token from the address: `#token=...`. Returns whether there was one. */
export function takeToken() {
  const found = /^#token=(.+)$/.exec(location.hash);
  if (!found) return false;
  setToken(decodeURIComponent(found[1]));
  history.replaceState(null, "", location.pathname);
  return true;
}

async function send(method, path, { query = {}, body, signal } = {}) {
  const parameters = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value != null) parameters.set(key, value);
  }
  const token = sessionStorage.getItem(KEY);
  const headers = { Authorization: `Bearer ${token ?? ""}` };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let reply;
  try {
    reply = await fetch(`/api${path}${parameters.size ? `?${parameters}` : ""}`, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal,
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, "zkfake does not answer. Is it still running?");
  }
  if (reply.ok) return reply;
  let sentence = `The answer to ${method} ${path} is ${reply.status}.`;
  try {
    sentence = (await reply.json()).error;
  } catch {
    // The sentence above says what is known.
  }
  // Meanwhile there may be another token. That the old one is refused says nothing of it.
  if (reply.status === 401 && sessionStorage.getItem(KEY) === token) {
    sessionStorage.removeItem(KEY);
    noToken(sentence);
  }
  throw new Refused(reply.status, sentence);
}

/** The body of an answer. Throws `Refused`. */
export const ask = async (method, path, options) => (await send(method, path, options)).json();

export const get = (path, query, signal) => ask("GET", path, { query, signal });

/** The same as a text: JavaScript's numbers and objects would change big numbers and the order of keys. */
export const getText = async (path, query) => (await send("GET", path, { query })).text();

/** The events after `after` as they come, until the answer ends. EventSource cannot send a token. */
export async function* events(after, signal) {
  const reply = await send("GET", "/history/stream", { query: { after }, signal });
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (text + value).split("\n\n");
    text = parts.pop();
    const found = [];
    for (const part of parts) {
      const line = part.split("\n").find((each) => each.startsWith("data: "));
      if (line) found.push(JSON.parse(line.slice(6)));
    }
    yield found;
  }
}
