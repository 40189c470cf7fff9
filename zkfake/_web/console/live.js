/* What happens on the servers, as it happens: one stream for the whole page. */

import { events, get } from "./api.js";

const MOST = 2000;

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

/** Follows the events for ever. Returns when it has begun. */
export async function begin() {
  const { last } = await get("/history", { limit: 0 });
  let after = Math.max(0, last - MOST);
  go();

  async function go() {
    for (;;) {
      try {
        for await (const found of events(after)) {
          if (!connected) {
            connected = true;
            tellAll([]);
          }
          if (found.length) {
            after = found.at(-1).number;
            tellAll(found);
          }
        }
      } catch (error) {
        if (error.status === 401) after = 0; // another zkfake: its numbers are its own
      }
      connected = false;
      tellAll([]);
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
}
