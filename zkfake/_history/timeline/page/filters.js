// What is shown: filters by kind, lane, path and finding; and what a search finds.

class Filters {
  constructor(model) {
    this.model = model;
    this.kinds = new Array(model.kinds.length).fill(true);
    this.lanes = new Array(model.lanes.length).fill(true);
    this.path = "";
    this.finding = null;
    this.query = "";
    /** 1 for each mark that is shown. */
    this.shown = new Uint8Array(model.count).fill(1);
    this.shownLanes = [...this.lanes];
    this.count = model.count;
    /** The marks that the search finds, in order. */
    this.matches = [];
    this.update();
  }

  /** To be called after a change. Cost: linear in the history. */
  update() {
    const { model, shown } = this;
    const concerns = this.finding && concernsOf(model, this.finding);
    this.shownLanes = this.lanes.map((on, lane) => on && (!concerns || concerns.lanes.has(lane)));
    const inPaths = this._paths(concerns);
    const query = this.query.toLowerCase();
    // Texts are shared by marks: each is looked at once.
    const found = query ? model.texts.map((text) => text.toLowerCase().includes(query)) : null;
    this.matches = [];
    this.count = 0;
    for (let mark = 0; mark < model.count; mark++) {
      const on = this.kinds[model.kind[mark]] && this.shownLanes[model.lane[mark]] && inPaths(mark);
      shown[mark] = on ? 1 : 0;
      if (!on) continue;
      this.count++;
      if (found && this._found(mark, found)) this.matches.push(mark);
    }
  }

  _found(mark, found) {
    const { label, text } = this.model.columns;
    return found[text[mark]] || found[label[mark]] || this.model.pathsOf(mark).some((path) => found[path]);
  }

  /** Whether a mark has one of the paths that are asked for. What has no path is always shown. */
  _paths(concerns) {
    const { model } = this;
    const wanted = this.path.trim().replace(/(.)\/+$/, "$1");
    const own = concerns && concerns.paths.size ? concerns.paths : null;
    if (!wanted && !own) return () => true;
    const below = (path, top) => path === top || top === "/" || path.startsWith(`${top}/`);
    const fits = new Map();
    const test = (number) => {
      if (!fits.has(number)) {
        const path = model.texts[number];
        const one = !wanted || below(path, wanted);
        // What a sequential znode was asked for as is the beginning of its name.
        const other = !own || [...own].some((each) => below(path, each) || each.startsWith(path));
        fits.set(number, one && other);
      }
      return fits.get(number);
    };
    return (mark) => {
      const paths = model.pathsOf(mark);
      return !paths.length || paths.some(test);
    };
  }
}

/** The lanes and paths that have to do with a finding. */
function concernsOf(model, finding) {
  const who = new Set(finding.who);
  const own = model.lanes.filter((lane) => who.has(lane.name));
  const groups = new Set(own.map((lane) => lane.group));
  // Where no client has to do with it by name, all of them may.
  const everyone = !own.some((lane) => lane.kind === "client");
  const lanes = new Set();
  model.lanes.forEach((lane, number) => {
    if (lane.group < 0 || groups.has(lane.group) || (everyone && lane.kind !== "task")) lanes.add(number);
  });
  return { lanes, paths: new Set(finding.paths) };
}
