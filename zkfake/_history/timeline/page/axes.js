// Where marks are along the axis. An axis has a coordinate for each mark, and says what to write below it.

const AXES = ["order", "time", "zxid"];

/** `shown`: 1 for each mark that is shown; what is not shown takes no room where each event is a step. */
function makeAxis(model, name, shown) {
  const axis = name === "time" ? timeAxis(model) : name === "zxid" ? zxidAxis(model, shown) : orderAxis(model, shown);
  let from = Infinity, to = -Infinity;
  for (let mark = 0; mark < model.count; mark++) {
    from = Math.min(from, axis.x[mark]);
    to = Math.max(to, axis.x[mark]);
  }
  if (!(from < to)) [from, to] = model.count ? [from - 0.5, from + 0.5] : [0, 1];
  const margin = (to - from) * 0.02 + (name === "time" ? 0 : 0.5);
  return Object.assign(axis, {
    name,
    from: from - margin,
    to: to + margin,
    /** The least that can be in view, and what is shown around an event that is jumped to. */
    least: name === "time" ? Math.max((to - from) * 1e-7, 1e-6) : 2,
    around: name === "time" ? (to - from) * 0.03 : 12,
  });
}

/** One step an event; a pause gets a step of its own. */
function orderAxis(model, shown) {
  const { count, time } = model;
  const x = new Float64Array(count);
  const total = count ? time[count - 1] - time[0] : 0;
  const pause = Math.max(0.1, total / 50);
  const gaps = [];
  let last = -1;
  for (let mark = 0; mark < count; mark++) {
    x[mark] = last < 0 ? 0 : x[last] + 1;
    if (!shown[mark]) continue;
    const wait = last < 0 ? 0 : time[mark] - time[last];
    if (wait >= pause) {
      gaps.push({ at: x[mark], text: `+${wait < 10 ? wait.toFixed(1) : wait.toFixed(0)} s` });
      x[mark]++;
    }
    last = mark;
  }
  const ticks = (from, to, width) => {
    const found = [];
    const step = Math.max(1, ((to - from) / width) * 96);
    let next = -Infinity;
    for (let mark = firstFrom(x, from); mark < count && x[mark] <= to; mark++) {
      if (x[mark] < next || !shown[mark]) continue;
      found.push({ at: x[mark], text: timeText(time[mark]) });
      next = x[mark] + step;
    }
    return found;
  };
  return { x, ticks, gaps, title: "time of each event" };
}

function timeAxis(model) {
  const ticks = (from, to, width) => {
    const rough = ((to - from) / width) * 110;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].find((factor) => factor * power >= rough) * power;
    const digits = Math.min(9, Math.max(0, -Math.floor(Math.log10(step) + 1e-9)));
    const found = [];
    for (let at = Math.ceil(from / step) * step; at <= to; at += step) {
      found.push({ at, text: `${at.toFixed(digits)} s` });
    }
    return found;
  };
  return { x: model.time, ticks, gaps: [], title: "seconds since the start" };
}

/**
 * One step an event, sorted by the newest state that it can know of: a reply by its own zxid, what has
 * none by what was newest when it happened. A reply with old data stands to the left of its request.
 */
function zxidAxis(model, shown) {
  const { count, zxid, zxids } = model;
  const known = new Int32Array(count);
  let newest = -1;
  for (let mark = 0; mark < count; mark++) {
    newest = Math.max(newest, zxid[mark]);
    known[mark] = zxid[mark] >= 0 ? zxid[mark] : newest;
  }
  const sorted = Int32Array.from({ length: count }, (_, mark) => mark).sort(
    (one, other) => known[one] - known[other] || one - other,
  );
  const x = new Float64Array(count);
  const starts = [];
  let place = 0;
  let current = null;
  for (const mark of sorted) {
    x[mark] = place;
    if (!shown[mark]) continue;
    if (known[mark] !== current) {
      current = known[mark];
      starts.push({ at: place - 0.5, text: current < 0 ? "before the first" : zxids[current] });
    }
    place++;
  }
  const ticks = (from, to, width) => {
    const step = ((to - from) / width) * 96;
    const found = [];
    let next = -Infinity;
    let current = null;
    for (const start of starts) {
      if (start.at > to) break;
      if (start.at < from) current = start;
      else if (start.at >= next) {
        found.push(start);
        next = start.at + step;
      }
    }
    // Where the view begins within a long stretch of one zxid, its name stands at the edge.
    if (current && (!found.length || found[0].at - from > step)) found.unshift({ at: from, text: current.text });
    return found;
  };
  return { x, ticks, gaps: [], title: "zxid of the newest state known" };
}

/** The first place in a rising column whose value is at least so much. */
function firstFrom(column, value) {
  let low = 0, high = column.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (column[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
