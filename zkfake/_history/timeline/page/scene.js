// What one frame has: a bounded number of things to draw, whatever the length of the history.
//
// Up to DETAIL events in view each is drawn by itself, with its messages. Of more, columns show how many there are;
// evidence, what is selected and what a search has found stay visible.

const DETAIL = 240, CELLS = 3000, SINGLES = 200, ARROWS = 2000;
/** The most that a frame draws. */
const MOST_ITEMS = 3 * CELLS + 2 * SINGLES;

/**
 * @param {Object} view axis, from, to: the part of the axis; top: the first pixel of the lanes in view;
 *   width, height: of the canvas; layout; selected: a mark or -1
 */
function makeScene(model, filters, view) {
  const scene = {
    detail: true, inView: 0, marks: [], arrows: [], bands: [], labels: [], columns: [], badges: [], guides: [],
    lanes: [], ticks: [], gaps: [], items: 0,
  };
  const { axis, from, to } = view;
  const scale = (view.width - GUTTER) / (to - from);
  const place = {
    x: (mark) => GUTTER + (axis.x[mark] - from) * scale,
    lane: (lane) => view.layout.places.get(lane),
    top: TOP - view.top,
    right: view.width,
  };
  for (const lane of view.layout.places.values()) {
    const y = lane.y + place.top;
    if (y >= view.height || y + lane.height <= TOP) continue;
    scene.lanes.push({ ...lane, y, middle: lane.middle + place.top });
  }
  place.visible = new Set(scene.lanes.map((lane) => lane.lane));
  const inView = marksInView(model, filters, view, place.visible);
  scene.inView = inView.length;
  scene.detail = inView.length <= DETAIL;
  addBands(scene, model, view, place);
  const single = scene.detail ? inView : importantOf(filters, view, inView);
  if (scene.detail) addArrows(scene, model, filters, view, place);
  else addColumns(scene, model, inView, place);
  addMarks(scene, single, model, filters, view, place);
  if (scene.detail) addLabels(scene, model, view, place);
  scene.ticks = axis.ticks(from, to, view.width - GUTTER).map(({ at, text }) => ({ x: GUTTER + (at - from) * scale, text }));
  const width = view.width - GUTTER;
  let last = -Infinity;
  for (const gap of axis.gaps) {
    const x = GUTTER + (gap.at - from) * scale;
    if (x < GUTTER || x > view.width || x - last < 48 || scene.gaps.length > width / 48) continue;
    last = x;
    scene.gaps.push({ x, text: gap.text });
  }
  for (const name of ["marks", "arrows", "bands", "labels", "columns", "badges", "guides", "lanes", "ticks", "gaps"]) {
    scene.items += scene[name].length;
  }
  return scene;
}

function marksInView(model, filters, view, visible) {
  const { x } = view.axis;
  const found = [];
  for (let mark = 0; mark < model.count; mark++) {
    if (filters.shown[mark] && x[mark] >= view.from && x[mark] <= view.to && visible.has(model.lane[mark])) found.push(mark);
  }
  return found;
}

/** What is drawn by itself among columns. */
function importantOf(filters, view, inView) {
  const found = inView.filter((mark) => mark === view.selected || view.evidence.has(mark));
  const matches = new Set(filters.matches);
  for (const mark of inView) {
    if (found.length >= SINGLES) break;
    if (matches.has(mark) && mark !== view.selected && !view.evidence.has(mark)) found.push(mark);
  }
  return found;
}

function addMarks(scene, marks, model, filters, view, place) {
  const matches = new Set(filters.query ? filters.matches : []);
  for (const mark of marks) {
    const lane = place.lane(model.lane[mark]);
    const item = {
      mark,
      x: place.x(mark),
      y: lane.middle + place.top,
      kind: model.kinds[model.kind[mark]],
      match: matches.has(mark),
      selected: mark === view.selected,
      evidence: view.evidence.get(mark) || "",
    };
    scene.marks.push(item);
    if (item.evidence) {
      scene.badges.push({ x: item.x, y: item.y, text: item.evidence });
      if (item.evidence <= "9") scene.guides.push({ x: item.x });
    }
  }
}

// -- bands

function addBands(scene, model, view, place) {
  const end = view.axis.to;
  const scale = (view.width - GUTTER) / (view.to - view.from);
  const cell = cellWidth(scene, place);
  /** By row of a lane: where the last narrow band ends; the next one there would be the same pixels. */
  const covered = new Map();
  for (const band of model.bands) {
    if (!place.visible.has(band.lane)) continue;
    const last = band.last < 0 ? end : view.axis.x[band.last];
    const first = view.axis.x[band.first];
    if (Math.max(first, last) < view.from || Math.min(first, last) > view.to) continue;
    const ends = [first, last].map((at) => GUTTER + (at - view.from) * scale);
    const x1 = Math.max(GUTTER, Math.min(...ends));
    const x2 = Math.max(x1 + 2, Math.min(place.right, Math.max(...ends)));
    const key = band.lane * 1000 + band.row;
    if (x2 - x1 < cell) {
      if (covered.get(key) > x1) continue;
      covered.set(key, x1 + cell);
    }
    if (scene.bands.length >= CELLS) break;
    const y = place.lane(band.lane).bands + band.row * BAND + place.top;
    scene.bands.push({ x1, x2, y, kind: band.kind, text: band.text, open: band.last < 0 });
  }
}

/** The pixels of a column: as many columns as there may be cells. */
function cellWidth(scene, place) {
  return Math.max(4, ((place.right - GUTTER) * Math.max(1, scene.lanes.length)) / CELLS);
}

// -- columns

function addColumns(scene, model, inView, place) {
  const cell = cellWidth(scene, place);
  const columns = new Map();
  let most = 1;
  for (const mark of inView) {
    const column = Math.floor((place.x(mark) - GUTTER) / cell);
    const key = model.lane[mark] * 10000 + column;
    let found = columns.get(key);
    if (!found) columns.set(key, (found = { lane: model.lane[mark], column, count: 0, lost: false, mark }));
    found.count++;
    most = Math.max(most, found.count);
    const exchange = model.exchanges[model.exchangeOf[mark]];
    if (exchange && exchange.outcome >= REQUEST_LOST && exchange.sent === mark) found.lost = true;
  }
  for (const { lane, column, count, lost, mark } of columns.values()) {
    const { middle, tiers } = place.lane(lane);
    const room = tiers * LABEL + MID_ROOM + 4;
    const height = Math.max(2, (room * Math.log(count + 1)) / Math.log(most + 1));
    scene.columns.push({ x: GUTTER + column * cell, y: middle + MID_ROOM - height + place.top, width: cell - 1, height, count, lost, mark });
  }
}

// -- labels

/** A label gets the room up to the next one of its line; evidence goes first. */
function addLabels(scene, model, view, place) {
  const lines = new Map();
  for (const item of scene.marks) {
    const lane = place.lane(model.lane[item.mark]);
    if (!lane.tiers) continue;
    const tier = lane.tiers > 1 && !isAsked(item.kind) ? 1 : 0;
    const key = model.lane[item.mark] * 2 + tier;
    if (!lines.has(key)) lines.set(key, []);
    lines.get(key).push({ item, y: lane.y + 4 + tier * LABEL + LABEL / 2 + place.top });
  }
  for (const line of lines.values()) {
    line.sort((one, other) => one.item.x - other.item.x);
    let taken = GUTTER;
    line.forEach(({ item, y }, number) => {
      const strong = Boolean(item.evidence || item.selected);
      const next = line.find((each, other) => other > number && (!strong || each.item.evidence));
      const room = Math.min(strong ? 280 : 320, (next ? next.item.x : view.width) - item.x - 4);
      const x = item.x - 4;
      if (room < (strong ? 16 : 30) || (x < taken && !strong)) return;
      const text = (item.evidence ? "      " : "") + model.label(item.mark);
      scene.labels.push({ x, y, width: room, text, strong });
      taken = strong ? x + Math.min(room, 40 + 6.2 * text.length) : x;
    });
  }
}

function isAsked(kind) {
  return kind === "request" || kind === "connection" || kind === "state";
}
