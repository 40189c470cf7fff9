// What part of the history is in view, and what is selected. Whoever changes it calls `changed`.

/** By its events what stands on them. What is evidence and belongs to a cause is evidence. */
function badgesOf(finding) {
  const badges = new Map();
  if (!finding) return badges;
  finding.causes.forEach((cause, number) => cause.events.forEach((mark) => badges.set(mark, "abc"[number])));
  finding.evidence.forEach((mark, number) => badges.set(mark, String(number + 1)));
  return new Map([...badges].sort(([one], [other]) => one - other));
}

class View {
  constructor(model, filters, changed) {
    this.model = model;
    this.filters = filters;
    this.changed = changed;
    this.axes = {};
    this.selected = -1;
    this.finding = null;
    /** The events of the finding in order, with what stands on them: a number for evidence, a letter for a cause. */
    this.evidence = new Map();
    this.top = 0;
    this.width = 800;
    this.height = 400;
    this.axis = this._axis("order");
    [this.from, this.to] = [this.axis.from, this.axis.to];
    this.arrange();
  }

  _axis(name) {
    return (this.axes[name] ||= makeAxis(this.model, name, this.filters.shown));
  }

  /** To be called when the filters have changed. */
  filtered() {
    this.axes = {};
    this.setAxis(this.axis.name);
    this.arrange();
  }

  /** To be called when the lanes or the canvas have changed. */
  arrange() {
    this.layout = layOut(this.model, this.filters.shownLanes, this.height - TOP);
    this.top = Math.max(0, Math.min(this.top, this.layout.height - (this.height - TOP)));
    this.changed();
  }

  resize(width, height) {
    [this.width, this.height] = [Math.max(width, GUTTER + 50), Math.max(height, TOP + 50)];
    this.arrange();
  }

  // -- the part in view

  /** The same events stay in view, as far as they are together on the other axis. */
  setAxis(name) {
    const { model, axis } = this;
    const whole = this.to - this.from >= (axis.to - axis.from) * 0.999;
    const inView = (mark) => axis.x[mark] >= this.from && axis.x[mark] <= this.to;
    const wanted = [...this.evidence.keys()];
    if (this.selected >= 0) wanted.push(this.selected);
    let kept = wanted.filter(inView);
    if (!kept.length) {
      for (let mark = 0; mark < model.count; mark++) if (this.filters.shown[mark] && inView(mark)) kept.push(mark);
    }
    this.axis = this._axis(name);
    if (whole || !kept.length) this.showAll();
    else this._showMarks(kept);
  }

  show(from, to) {
    const { axis } = this;
    const span = Math.min(Math.max(to - from, axis.least), axis.to - axis.from);
    const middle = (from + to) / 2;
    this.from = Math.max(axis.from, Math.min(middle - span / 2, axis.to - span));
    this.to = this.from + span;
    this.changed();
  }

  showAll() {
    this.show(this.axis.from, this.axis.to);
  }

  /** `at`: the place that stays where it is; a part of the width, from 0 to 1. */
  zoom(factor, at = 0.5) {
    const { axis } = this;
    const still = this.from + (this.to - this.from) * at;
    const span = Math.min(Math.max((this.to - this.from) * factor, axis.least), axis.to - axis.from);
    this.show(still - span * at, still + span * (1 - at));
  }

  /** Moves the view by parts of its width, and by pixels of its height. */
  pan(part, pixels = 0) {
    const span = this.to - this.from;
    this.top = Math.max(0, Math.min(this.top + pixels, this.layout.height - (this.height - TOP)));
    this.show(this.from + part * span, this.to + part * span);
  }

  /** The evidence, and the events of the causes unless single messages could not be seen then. */
  showEvidence() {
    const { finding, model, axis } = this;
    if (!this.evidence.size) return;
    const all = [...this.evidence.keys()];
    const [from, to] = [axis.x[all[0]], axis.x[all[all.length - 1]]];
    let between = 0;
    for (let mark = 0; mark < model.count; mark++) {
      if (this.filters.shown[mark] && axis.x[mark] >= from && axis.x[mark] <= to) between++;
    }
    this._showMarks(between <= DETAIL || !finding.evidence.length ? all : finding.evidence);
  }

  /** Brings marks into view, with what is around them. */
  _showMarks(marks) {
    let [from, to] = [Infinity, -Infinity];
    for (const mark of marks) {
      from = Math.min(from, this.axis.x[mark]);
      to = Math.max(to, this.axis.x[mark]);
    }
    const margin = Math.max((to - from) * 0.2, this.axis.around);
    this.show(from - margin, to + margin);
    // The first lane last: where not all fit, it is the one that is seen.
    const lanes = marks.map((mark) => this.model.lane[mark]);
    this._scrollTo(lanes.reduce((one, other) => Math.max(one, other)));
    this._scrollTo(lanes.reduce((one, other) => Math.min(one, other)));
  }

  _scrollTo(lane) {
    const place = this.layout.places.get(lane);
    if (!place) return;
    const room = this.height - TOP;
    if (place.y < this.top) this.top = place.y;
    else if (place.y + place.height > this.top + room) this.top = Math.min(place.y, place.y + place.height - room);
  }

  // -- what is selected

  select(mark) {
    this.selected = mark;
    if (mark >= 0) this.reveal(mark);
    this.changed();
  }

  /** Moves the view so far that a mark is in it. */
  reveal(mark) {
    const x = this.axis.x[mark];
    const span = this.to - this.from;
    if (x < this.from + span * 0.02) this.show(x - span * 0.2, x + span * 0.8);
    else if (x > this.to - span * 0.02) this.show(x - span * 0.8, x + span * 0.2);
    this._scrollTo(this.model.lane[mark]);
  }

  setFinding(finding) {
    this.finding = finding;
    this.evidence = badgesOf(finding);
    this.changed();
  }

  /** The next mark that is shown, by the axis; `lane`: on it only. Without a selection the first one from that side. */
  step(direction, lane = null) {
    const { model, filters, selected } = this;
    const { x } = this.axis;
    const beyond = (one, other) => direction * (x[one] - x[other] || one - other) > 0;
    let best = -1;
    for (let mark = 0; mark < model.count; mark++) {
      if (!filters.shown[mark] || (lane !== null && model.lane[mark] !== lane)) continue;
      if ((selected < 0 || beyond(mark, selected)) && (best < 0 || beyond(best, mark))) best = mark;
    }
    if (best >= 0) this.select(best);
  }

  /** The nearest mark on the next lane that has one in that direction. */
  stepLane(direction) {
    const { model, filters, axis } = this;
    if (this.selected < 0) return this.step(1);
    const lane = model.lane[this.selected];
    const here = axis.x[this.selected];
    let best = -1;
    const rank = (mark) => direction * (model.lane[mark] - lane);
    for (let mark = 0; mark < model.count; mark++) {
      if (!filters.shown[mark] || rank(mark) <= 0) continue;
      const nearer = best < 0 || rank(mark) < rank(best) ||
        (rank(mark) === rank(best) && Math.abs(axis.x[mark] - here) < Math.abs(axis.x[best] - here));
      if (nearer) best = mark;
    }
    if (best >= 0) this.select(best);
  }

  stepEvidence(direction) {
    this._stepAmong([...this.evidence.keys()], direction);
  }

  stepMatch(direction) {
    this._stepAmong(this.filters.matches, direction);
  }

  /** The next of some marks; after the last one the first. */
  _stepAmong(marks, direction) {
    if (!marks.length) return;
    const place = marks.indexOf(this.selected);
    const here = this.selected;
    let next;
    if (place >= 0) next = (place + direction + marks.length) % marks.length;
    else if (direction > 0) next = Math.max(0, marks.findIndex((mark) => mark > here));
    else {
      next = marks.filter((mark) => mark < here).length - 1;
      if (next < 0) next = marks.length - 1;
    }
    this.select(marks[next]);
  }
}
