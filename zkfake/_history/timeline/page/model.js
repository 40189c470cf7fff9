// The history as the other parts of the page read it: columns, and what belongs to what.

/** How a request ended: zkfake/_history/timeline/messages.py has the same numbers. */
const OPEN = 0, ARRIVED = 1, REQUEST_LOST = 2, REPLY_LOST = 3, UNKNOWN = 4;

/** @param {Object} raw the JSON of zkfake/_history/timeline/picture.py */
function readModel(raw) {
  const count = raw.marks.time.length;
  const model = {
    count,
    summary: raw.summary,
    lanes: raw.lanes.map(([kind, name, group]) => ({ kind, name, group, rows: 0 })),
    kinds: raw.kinds,
    texts: raw.texts,
    time: Float64Array.from(raw.marks.time),
    lane: Int32Array.from(raw.marks.lane),
    kind: Int32Array.from(raw.marks.kind),
    zxid: Int32Array.from(raw.marks.zxid),
    zxids: raw.zxids,
    /** For each mark the exchange that it begins, ends or is the commit of; -1 for none. */
    exchangeOf: new Int32Array(count).fill(-1),
    exchanges: raw.exchanges.map(([sent, end, lane, commit, outcome]) => ({ sent, end, lane, commit, outcome })),
    told: raw.told.map(([mark, lane, commit]) => ({ mark, lane, commit })),
    steps: raw.steps.map(([from, to, style]) => ({ from, to, style })),
    bands: raw.bands.map(([lane, kind, text, first, last]) => ({
      lane, kind, text: raw.texts[text], first, last, row: 0,
    })),
    findings: raw.findings,
    columns: { label: raw.marks.label, text: raw.marks.text },
    label: (mark) => raw.texts[raw.marks.label[mark]],
    text: (mark) => raw.texts[raw.marks.text[mark]],
    /** The numbers of the texts that are its paths. */
    pathsOf: (mark) => {
      const paths = raw.marks.paths[mark];
      return typeof paths === "number" ? [paths] : paths;
    },
  };
  model.exchanges.forEach((exchange, number) => {
    for (const mark of [exchange.sent, exchange.commit]) if (mark >= 0) model.exchangeOf[mark] = number;
    if (exchange.outcome === ARRIVED) model.exchangeOf[exchange.end] = number;
  });
  stackBands(model);
  return model;
}

/** Bands that overlap on one lane get rows of their own. They come in the order of their beginnings. */
function stackBands(model) {
  const ends = model.lanes.map(() => []);
  for (const band of model.bands) {
    const rows = ends[band.lane];
    let row = rows.findIndex((end) => end <= band.first);
    if (row < 0) row = rows.push(0) - 1;
    rows[row] = band.last < 0 ? Infinity : band.last;
    band.row = row;
    model.lanes[band.lane].rows = rows.length;
  }
}

/** Every path of the history once, in order; at most so many. */
function pathsOf(model, most) {
  const numbers = new Set();
  for (let mark = 0; mark < model.count && numbers.size < most; mark++) {
    for (const path of model.pathsOf(mark)) numbers.add(path);
  }
  return [...numbers].slice(0, most).map((path) => model.texts[path]).sort();
}

function laneName(lane) {
  if (lane.kind === "task") return `task ${lane.name}`;
  if (lane.kind === "client") return `client ${lane.name}`;
  if (lane.kind === "sessions" && lane.name.startsWith("session ")) return lane.name; // in real time
  if (lane.kind === "sessions" || lane.kind === "callbacks") return `${lane.kind} of ${lane.name}`;
  return lane.name;
}

function timeText(seconds) {
  return `${seconds.toFixed(3)} s`;
}
