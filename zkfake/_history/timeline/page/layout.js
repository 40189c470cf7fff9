// Where lanes are, from the top: heights by what they have to show.

const GUTTER = 168, TOP = 40, MID_ROOM = 9, LABEL = 14, BAND = 15;

/** Lanes whose replies and requests would hide each other's labels have two lines for them. */
const TIERS = { client: 2, task: 1, dict: 1, callbacks: 1, server: 1, faults: 1, sessions: 0 };

/** The most pixels that a lane gets beyond what it needs, where there is room. */
const AIR = 48;
/** The lanes between which the messages are. */
const AIRY = new Set(["client", "server"]);

/**
 * @param {number} room the pixels that there are
 * @returns {{places: Map<number, Object>, height: number}} by lane where it is, and the height of all
 */
function layOut(model, shownLanes, room) {
  const tight = placesOf(model, shownLanes, 0);
  const count = [...tight.places.values()].filter((place) => AIRY.has(model.lanes[place.lane].kind)).length;
  const spare = Math.floor((room - tight.height) / Math.max(1, count));
  return spare > 0 ? placesOf(model, shownLanes, Math.min(AIR, spare)) : tight;
}

function placesOf(model, shownLanes, air) {
  const places = new Map();
  let y = 0;
  model.lanes.forEach((lane, number) => {
    if (!shownLanes[number]) return;
    const tiers = TIERS[lane.kind];
    const middle = y + 4 + tiers * LABEL + MID_ROOM;
    const bands = tiers ? middle + MID_ROOM : y + 3;
    const height = bands + lane.rows * BAND + 3 + (AIRY.has(lane.kind) ? air : 0) - y;
    places.set(number, { lane: number, y, height, middle, bands, tiers });
    y += height;
  });
  return { places, height: y };
}
