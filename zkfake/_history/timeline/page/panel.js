// The panel beside the canvas: findings, the selected event, the events in view, the legend.
// Texts of a history are put there as texts, never as markup.

const MOST_EVENTS = 100;

class Panel {
  constructor(model, view, filters, choose) {
    Object.assign(this, { model, view, filters, choose });
    this.findings = element("findings");
    this.details = element("details");
    this.events = element("events");
    this.announcement = element("announcement");
    this._selected = null;
    this._showFindings();
    this._head();
  }

  _head() {
    const { model } = this;
    const { events, transactions, undecided } = model.summary;
    const broken = model.findings.filter((finding) => finding.broken);
    const headline = element("headline");
    if (broken.length) {
      const judges = [...new Set(broken.map((finding) => finding.judge))];
      headline.textContent = `Broken: ${judges.join(", ")}`;
      headline.className = "broken";
    } else headline.textContent = "Nothing is broken";
    const log = transactions === null ? "no log of what was committed" : `${transactions} transactions`;
    const last = model.count ? model.time[model.count - 1] : 0;
    const open = undecided ? `; ${undecided} checks could not decide` : "";
    element("summary").textContent = `${events} events, ${log}, ${last.toFixed(3)} s${open}`;
  }

  // -- findings

  _showFindings() {
    const { model } = this;
    element("findings-section").hidden = !model.findings.length;
    model.findings.forEach((finding, number) => {
      const item = make("li", { className: finding.broken ? "broken" : "remark" });
      const title = finding.broken ? `Broken: ${finding.judge}` : `Remark: ${finding.judge}`;
      const button = make("button", { type: "button", onclick: () => this.choose(finding) }, title);
      button.dataset.finding = String(number);
      item.append(button);
      this.findings.append(item);
    });
  }

  /** The finding that is chosen shows what it is about and its evidence. */
  update(scene) {
    const { model, view } = this;
    model.findings.forEach((finding, number) => {
      const item = this.findings.children[number];
      const chosen = finding === view.finding;
      item.firstChild.setAttribute("aria-current", String(chosen));
      if (chosen && item.childElementCount === 1) item.append(...this._evidenceOf(finding));
      if (!chosen) while (item.childElementCount > 1) item.lastChild.remove();
      for (const button of item.querySelectorAll("button[data-mark]")) {
        button.setAttribute("aria-current", String(Number(button.dataset.mark) === view.selected));
      }
    });
    if (view.selected !== this._selected) {
      this._selected = view.selected;
      this._showDetails();
    }
    this._showEvents(scene);
  }

  _evidenceOf(finding) {
    const list = (name, marks, badge) => make("ol", { ariaLabel: name }, ...marks.map((mark, number) => {
      const button = this._eventButton(mark, this.model.text(mark));
      button.prepend(badge(number));
      return make("li", {}, button);
    }));
    const parts = [
      make("p", { className: "aside" }, `Promised: ${finding.promise}`),
      make("p", { className: "aside happened" }, `What happened: ${finding.text}.`),
      list("Evidence", finding.evidence, (number) => make("span", { className: "number" }, String(number + 1))),
    ];
    finding.causes.forEach((cause, number) => {
      const letter = "abc"[number];
      const badge = () => make("span", { className: "number letter" }, letter);
      parts.push(make("p", { className: "aside happened" }, badge(), `Why: ${cause.text}`));
      const only = cause.events.filter((mark) => !finding.evidence.includes(mark));
      if (only.length) parts.push(list(`Why, ${letter}`, only, badge));
    });
    return parts;
  }

  _eventButton(mark, text) {
    const time = make("span", { className: "time" }, `${timeText(this.model.time[mark])} `);
    const button = make("button", { type: "button", onclick: () => this.view.select(mark) }, time, text);
    button.dataset.mark = String(mark);
    return button;
  }

  // -- one event

  _showDetails() {
    const { model, details } = this;
    const mark = this._selected;
    details.replaceChildren();
    this.announcement.textContent = mark < 0 ? "No event is selected." : "";
    if (mark < 0) return;
    const rows = [
      ["what", model.text(mark)],
      ["time", timeText(model.time[mark])],
      ["lane", laneName(model.lanes[model.lane[mark]])],
      ["kind", model.kinds[model.kind[mark]]],
    ];
    if (model.zxid[mark] >= 0) rows.push(["zxid", model.zxids[model.zxid[mark]]]);
    const paths = model.pathsOf(mark);
    if (paths.length) rows.push(["path", paths.map((path) => model.texts[path]).join(", ")]);
    rows.push(["in Python", `list(history.in_order())[${mark}]`]);
    const list = make("dl");
    for (const [name, value] of rows) list.append(make("dt", {}, name), make("dd", {}, value));
    details.append(list, ...this._partners(mark));
    this.announcement.textContent = `${timeText(model.time[mark])}: ${model.text(mark)}`;
    this.announcement.className = "unseen";
  }

  /** The other events of its exchange. */
  _partners(mark) {
    const { model } = this;
    const exchange = model.exchanges[model.exchangeOf[mark]];
    if (!exchange) return [];
    const words = {
      [OPEN]: "No reply before the history ends.",
      [REQUEST_LOST]: "The request was lost before the server had it.",
      [REPLY_LOST]: "It was carried out, and the reply was lost.",
      [UNKNOWN]: "No reply came; whether it was carried out is not known.",
    }[exchange.outcome];
    const found = words ? [make("p", { className: "aside" }, words)] : [];
    const others = [["request", exchange.sent], ["committed", exchange.commit]];
    if (exchange.outcome === ARRIVED) others.push(["reply", exchange.end]);
    for (const [name, other] of others) {
      if (other >= 0 && other !== mark) found.push(this._eventButton(other, `${name}: ${model.label(other)}`));
    }
    return found;
  }

  // -- the events in view

  _showEvents(scene) {
    const { model, view, events, filters } = this;
    const { x } = view.axis;
    const found = [];
    let count = 0;
    for (let mark = 0; mark < model.count; mark++) {
      if (!filters.shown[mark] || x[mark] < view.from || x[mark] > view.to) continue;
      count++;
      if (found.length < MOST_EVENTS) found.push(mark);
    }
    element("events-title").textContent = count > found.length
      ? `Events in view (the first ${found.length} of ${count})` : `Events in view (${count})`;
    const key = found.join();
    if (key !== this._listed) {
      this._listed = key;
      events.replaceChildren(...found.map((mark) => make("li", {}, this._eventButton(mark, model.text(mark)))));
    }
    for (const button of events.querySelectorAll("button")) {
      button.setAttribute("aria-current", String(Number(button.dataset.mark) === view.selected));
    }
  }

  // -- the legend

  showLegend(painter) {
    const { model } = this;
    const legend = element("legend");
    legend.replaceChildren();
    const add = (text, draw) => {
      const canvas = make("canvas", { width: 36, height: 20 });
      canvas.setAttribute("aria-hidden", "true");
      const small = new Painter(canvas);
      draw(small);
      legend.append(make("li", {}, canvas, text));
    };
    for (const kind of model.kinds) {
      add(kind, (small) => small.shape(SHAPES[kind] || "circled", 18, 10, painter.colors[COLORS[kind] || "commit"]));
    }
    const arrow = (style, options) => (small) =>
      small.arrow({ style, from: { x: 2, y: 10 }, to: { x: 34, y: 10 }, ...options });
    for (const [text, style] of [["request, reply", "request"], ["event on its way", "event"], ["between servers", "commit"]]) {
      add(text, arrow(style, {}));
    }
    add("lost on its way", (small) => small.cross(18, 10, 6));
    add("evidence", (small) => small.badge({ x: 18, y: 10, text: "1" }));
    add("of a cause", (small) => small.badge({ x: 18, y: 10, text: "a" }));
    for (const kind of new Set(model.bands.map((band) => band.kind))) {
      add(kind, (small) => small.band({ x1: 1, x2: 35, y: 4, kind, text: "", open: false }));
    }
  }
}

function element(id) {
  return document.getElementById(id);
}

/** A new element. What is put into it is text or an element. */
function make(tag, properties = {}, ...content) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...content);
  return made;
}
