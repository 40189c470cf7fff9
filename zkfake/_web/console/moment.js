/* Which moment is shown: now, or a zxid of the past; and which zxids there are.

Rules that live here: a zxid of the past is one that was committed, or the oldest state that is
kept. Now goes on by itself: `onCommitted` tells which znodes have changed. */

import { get } from "./api.js";
import { follow } from "./live.js";

const PAUSE = 250;
const MOST_CHANGES = 200;

/** `at`: what `at` of a request has to be; null for now. */
export const moment = { at: null, first: 0, last: 0, ranges: [] };

const listeners = { moved: new Set(), committed: new Set(), known: new Set() };

/** Another moment is shown. */
export const onMoved = (listener) => listeners.moved.add(listener);

/** `listener(paths)`: znodes that have changed; null for very many. */
export const onCommitted = (listener) => listeners.committed.add(listener);

/** There are more zxids, or fewer. */
export const onKnown = (listener) => listeners.known.add(listener);

const tell = (kind, ...values) => Promise.all([...listeners[kind]].map((listener) => listener(...values)));

/** Shows another moment: a zxid, or null for now. Returns when it is shown. */
export async function move(at) {
  if (moment.at === at) return;
  moment.at = at;
  await tell("moved");
}

/** How many moments there are: the oldest state, and one after each transaction. */
export const count = () =>
  1 + moment.ranges.reduce((sum, [from, to]) => sum + inRange(from, to), 0);

const inRange = (from, to) => Math.max(0, to - Math.max(from, moment.first + 1) + 1);

/** The zxid of the n-th moment, from 0 on. */
export function zxidOf(place) {
  let left = place - 1;
  if (left < 0) return moment.first;
  for (const [from, to] of moment.ranges) {
    const here = inRange(from, to);
    if (left < here) return Math.max(from, moment.first + 1) + left;
    left -= here;
  }
  return moment.last;
}

/** The place of the newest moment that is not after a zxid. */
export function placeOf(zxid) {
  let place = 0;
  for (const [from, to] of moment.ranges) place += inRange(from, Math.min(to, zxid));
  return place;
}

/** Whether the tree can be shown as it was at a zxid. */
export const isKept = (zxid) => zxidOf(placeOf(zxid)) === zxid;

/** Knows which zxids there are, and follows what is committed. */
export async function begin() {
  know(await get("/transactions", { limit: 0 }));
  follow((events) => {
    if (!events.length || events.some((each) => each.kind === "committed" || each.kind === "restored")) {
      later();
    }
  });
}

function know(found) {
  moment.first = found.first;
  moment.last = found.last;
  moment.ranges = found.ranges;
  tell("known");
}

let waiting = false;

/** Many transactions that follow each other are looked at together. */
function later() {
  if (waiting) return;
  waiting = true;
  setTimeout(async () => {
    waiting = false;
    try {
      await look();
    } catch {
      // The page says that zkfake does not answer; the next stream begins with another look.
    }
  }, PAUSE);
}

async function look() {
  const before = moment.last;
  const found = await get("/transactions", { after: before, limit: 1000 });
  know(found);
  if (found.last === before) return;
  const paths = new Set();
  let all = found.next !== null || found.last < before;
  for (const each of found.transactions) {
    if (each.operation === "restore" || each.total > each.changes.length) all = true;
    for (const { path } of each.changes) paths.add(path);
  }
  tell("committed", all || paths.size > MOST_CHANGES ? null : [...paths]);
}
