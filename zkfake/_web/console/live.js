/* What happens on the servers, as it happens: one stream for the whole page.

Rules that live here: a tab that is not looked at has no stream. A browser keeps six connections to
one address, so a few tabs with a stream each would leave none for anything else. */

import { events, get, hasToken } from "./api.js";

const MOST = 2000;
const PAUSE = 1000;

const listeners = new Set();

/** The last events, the oldest first. */
export const recent = [];

/** Whether the stream is open. */
export let connected = false;

/** `listener(events)`: called with those that came, with none when the stream opens or ends. */
export function follow(listener) {
  listeners.add(listener);
}

function tellAll(found) {
  recent.push(...found);
  if (recent.length > MOST) recent.splice(0, recent.length - MOST);
  for (const listener of listeners) listener(found);
}

/** Begins `recent` anew. */
export function forget() {
  recent.length = 0;
}

const wanted = () => !document.hidden && hasToken();

/** Follows the events for ever. Returns when it has begun. */
export async function begin() {
  const { last } = await get("/history", { limit: 0 });
  let after = Math.max(0, last - MOST);
  let stream = new AbortController();
  document.addEventListener("visibilitychange", () => document.hidden && stream.abort());
  go();

  async function go() {
    for (;;) {
      while (!wanted()) await pause();
      stream = new AbortController();
      try {
        const known = await get("/history", { limit: 0 });
        if (known.last < after) {
          after = 0; // another zkfake: its numbers are its own
          forget();
        }
        for await (const found of events(after, stream.signal)) {
          if (!connected) {
            connected = true;
            tellAll([]);
          }
          if (found.length) {
            after = found.at(-1).number;
            tellAll(found);
          }
        }
      } catch {
        // It is said that zkfake does not answer, and tried again.
      }
      connected = false;
      tellAll([]);
      await pause();
    }
  }
}

const pause = () => new Promise((resolve) => setTimeout(resolve, PAUSE));
