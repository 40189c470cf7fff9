// Draws a scene. No meaning is in colour alone: kinds have shapes, messages dashes, bands patterns and words.

const SHAPES = {
  request: "disc", reply: "ring", "watch event": "diamond", commit: "square", connection: "bar", state: "flag",
  fault: "triangle", "server event": "hexagon", claim: "key", record: "plus", note: "page", task: "end",
  callback: "half", dict: "stack", "log line": "chevron", "among servers": "bow",
};

const COLORS = {
  request: "request", reply: "reply", "watch event": "event", commit: "commit", fault: "bad", claim: "note",
  record: "note", note: "note",
};

/** dash: of the line; color: the name of a colour of the page. */
const ARROW_STYLES = {
  request: { dash: [], color: "request" },
  reply: { dash: [], color: "reply" },
  event: { dash: [7, 4], color: "event" },
  forward: { dash: [2, 3], color: "request" },
  commit: { dash: [2, 3], color: "commit" },
};

/** ground: the name of a colour; pattern: what is drawn over it. */
const BAND_STYLES = {
  session: { ground: "band-good", pattern: "" },
  claim: { ground: "band-mild", pattern: "" },
  callback: { ground: "band", pattern: "" },
  dict: { ground: "band", pattern: "" },
  "claim lost": { ground: "band-bad", pattern: "cross" },
  expired: { ground: "band-bad", pattern: "cross" },
  lost: { ground: "band-bad", pattern: "cross" },
  suspended: { ground: "band-mild", pattern: "rising" },
  disconnected: { ground: "band-mild", pattern: "rising" },
  paused: { ground: "band", pattern: "upright" },
  partitioned: { ground: "band-bad", pattern: "falling" },
  lagging: { ground: "band-mild", pattern: "dots" },
  slow: { ground: "band", pattern: "dots" },
  held: { ground: "band", pattern: "rising" },
  stopped: { ground: "band-bad", pattern: "upright" },
  looking: { ground: "band-mild", pattern: "falling" },
  leads: { ground: "band-good", pattern: "" },
};

/** How far beyond the canvas lines are drawn, in pixels: wider than any line. */
const OUTSIDE = 50;

class Painter {
  constructor(canvas) {
    this.canvas = canvas;
    this.pen = canvas.getContext("2d");
    this.readColors();
  }

  /** To be called when the theme has changed. */
  readColors() {
    const style = getComputedStyle(document.documentElement);
    this.color = (name) => style.getPropertyValue(`--${name}`).trim();
    const names = ["ground", "stripe", "line", "text", "dim", "accent", "request", "reply", "event", "commit", "bad",
      "note", "band", "band-good", "band-bad", "band-mild", "mark-text", "panel"];
    this.colors = Object.fromEntries(names.map((name) => [name, this.color(name)]));
    this.patterns = new Map();
    this.font = getComputedStyle(document.body).fontFamily;
  }

  paint(scene, view, model) {
    const { pen, colors } = this;
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [this.width, this.height] = [view.width, view.height];
    if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio)) {
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(height * ratio);
    }
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.fillStyle = colors.ground;
    pen.fillRect(0, 0, width, height);
    pen.textBaseline = "middle";
    pen.save();
    pen.beginPath();
    pen.rect(0, TOP, width, height - TOP);
    pen.clip();
    for (const lane of scene.lanes) this.laneGround(lane, width);
    pen.beginPath();
    pen.rect(GUTTER, TOP, width - GUTTER, height - TOP);
    pen.clip();
    for (const guide of scene.guides) this.guide(guide, height);
    for (const gap of scene.gaps) this.line(gap.x, TOP, gap.x, height, colors.line, [1, 4]);
    for (const band of scene.bands) this.band(band);
    for (const column of scene.columns) this.column(column);
    for (const arrow of scene.arrows) this.arrow(arrow);
    for (const band of scene.bands) this.bandText(band);
    for (const mark of scene.marks) this.mark(mark);
    for (const label of scene.labels) this.label(label);
    for (const badge of scene.badges) this.badge(badge);
    pen.restore();
    this.names(scene, model, height);
    this.axis(scene, view, width);
  }

  laneGround({ lane, y, height, middle, tiers }, width) {
    const { pen, colors } = this;
    if (lane % 2) {
      pen.fillStyle = colors.stripe;
      pen.fillRect(0, y, width, height);
    }
    this.line(0, y + height - 0.5, width, y + height - 0.5, colors.line, [], 0.5);
    if (tiers) this.line(GUTTER, middle, width, middle, colors.line, []);
  }

  names(scene, model, height) {
    const { pen, colors } = this;
    pen.save();
    pen.fillStyle = colors.panel;
    pen.fillRect(0, TOP, GUTTER - 4, height - TOP);
    pen.beginPath();
    pen.rect(0, TOP, GUTTER - 6, height - TOP);
    pen.clip();
    for (const { lane, y, height: tall } of scene.lanes) {
      const { kind, name } = model.lanes[lane];
      const small = kind === "sessions" || kind === "callbacks";
      pen.fillStyle = small ? colors.dim : colors.text;
      pen.font = `${small ? 11 : 13}px ${this.font}`;
      const text = kind === "client" || kind === "task" ? name : laneName(model.lanes[lane]);
      const middle = y + Math.min(tall / 2, 20);
      pen.fillText(this.fit(text, GUTTER - (small ? 24 : 62)), small ? 18 : 8, small ? y + tall / 2 : middle);
      if (kind === "client" || kind === "task") {
        pen.fillStyle = colors.dim;
        pen.font = `11px ${this.font}`;
        pen.textAlign = "right";
        pen.fillText(kind, GUTTER - 12, middle);
        pen.textAlign = "left";
      }
      this.line(0, y + tall - 0.5, GUTTER - 4, y + tall - 0.5, colors.line, [], 0.5);
    }
    pen.restore();
  }

  axis(scene, view, width) {
    const { pen, colors } = this;
    pen.fillStyle = colors.ground;
    pen.fillRect(0, 0, width, TOP);
    this.line(0, TOP - 0.5, width, TOP - 0.5, colors.line, []);
    pen.font = `11px ${this.font}`;
    pen.fillStyle = colors.dim;
    pen.fillText(this.fit(view.axis.title, GUTTER - 16), 8, 28);
    let free = GUTTER, before = "";
    for (const tick of scene.ticks) {
      if (tick.x < GUTTER) continue;
      this.line(tick.x, TOP - 8, tick.x, TOP, colors.dim, []);
      if (tick.x < free || tick.text === before) continue; // many events may have one time
      const end = tick.x + 3 + pen.measureText(tick.text).width;
      if (end > width) break;
      before = tick.text;
      pen.fillStyle = colors.text;
      pen.fillText(tick.text, tick.x + 3, 26);
      free = end + 7;
    }
    for (const gap of scene.gaps) {
      pen.fillStyle = colors.note;
      pen.textAlign = "center";
      pen.fillText(gap.text, gap.x, 10);
      pen.textAlign = "left";
    }
  }

  guide({ x }, height) {
    this.line(x, TOP, x, height, this.colors.bad, [2, 6]);
  }

  band({ x1, x2, y, kind, open }) {
    const { pen, colors } = this;
    const style = BAND_STYLES[kind] || { ground: "band", pattern: "" };
    const [width, height] = [x2 - x1, BAND - 3];
    pen.fillStyle = colors[style.ground];
    pen.fillRect(x1, y, width, height);
    if (style.pattern) {
      pen.fillStyle = this.pattern(style.pattern);
      pen.fillRect(x1, y, width, height);
    }
    pen.strokeStyle = colors.dim;
    pen.lineWidth = 0.5;
    pen.setLineDash([]);
    pen.strokeRect(x1, y + 0.5, open ? width + 4 : width, height - 1);
  }

  /** What a band says, on a ground of its own: patterns and messages do not run through it. */
  bandText({ x1, x2, y, kind, text }) {
    const { pen, colors } = this;
    if (x2 - x1 < 24) return;
    pen.font = `11px ${this.font}`;
    const shown = this.fit(text, x2 - x1 - 8);
    if (!shown) return;
    pen.fillStyle = colors[(BAND_STYLES[kind] || { ground: "band" }).ground];
    pen.fillRect(x1 + 2, y + 1, pen.measureText(shown).width + 4, BAND - 5);
    pen.fillStyle = colors.text;
    pen.fillText(shown, x1 + 4, y + (BAND - 3) / 2 + 0.5);
  }

  pattern(name) {
    if (this.patterns.has(name)) return this.patterns.get(name);
    const tile = document.createElement("canvas");
    tile.width = tile.height = 8;
    const pen = tile.getContext("2d");
    pen.strokeStyle = pen.fillStyle = this.colors.dim;
    pen.globalAlpha = 0.55;
    const lines = {
      rising: [[0, 8, 8, 0], [-2, 2, 2, -2], [6, 10, 10, 6]],
      falling: [[0, 0, 8, 8], [-2, 6, 2, 10], [6, -2, 10, 2]],
      cross: [[0, 8, 8, 0], [0, 0, 8, 8]],
      upright: [[2, 0, 2, 8], [6, 0, 6, 8]],
      dots: [],
    }[name];
    for (const [x1, y1, x2, y2] of lines) {
      pen.beginPath();
      pen.moveTo(x1, y1);
      pen.lineTo(x2, y2);
      pen.stroke();
    }
    if (name === "dots") for (const [x, y] of [[1, 1], [5, 5]]) pen.fillRect(x, y, 2, 2);
    const pattern = this.pen.createPattern(tile, "repeat");
    this.patterns.set(name, pattern);
    return pattern;
  }

  column({ x, y, width, height, lost }) {
    const { pen, colors } = this;
    pen.fillStyle = colors.commit;
    pen.globalAlpha = 0.75;
    pen.fillRect(x, y, Math.max(1, width), height);
    pen.globalAlpha = 1;
    if (lost) this.cross(x + width / 2, y - 4, 3);
  }

  arrow({ style, from, to, lost, words, strong, unsure }) {
    const { pen, colors } = this;
    const { dash, color } = ARROW_STYLES[style];
    this.line(from.x, from.y, to.x, to.y, lost ? colors.bad : colors[color], unsure ? [3, 3] : dash, strong ? 2.5 : 1.2);
    if (!this.seen(to.x, to.y, to.x, to.y)) return;
    if (lost) {
      this.cross(to.x, to.y, 6);
      pen.font = `11px ${this.font}`;
      if (words) this.words(words, to.x + 9, to.y, colors.bad, 80);
      return;
    }
    const angle = Math.atan2(to.y - from.y, to.x - from.x);
    const tip = { x: to.x - 5 * Math.cos(angle), y: to.y - 5 * Math.sin(angle) };
    pen.beginPath();
    for (const side of [-1, 1]) {
      pen.moveTo(tip.x, tip.y);
      pen.lineTo(tip.x - 7 * Math.cos(angle + side * 0.4), tip.y - 7 * Math.sin(angle + side * 0.4));
    }
    pen.stroke();
  }

  cross(x, y, size) {
    const { pen, colors } = this;
    pen.strokeStyle = colors.bad;
    pen.lineWidth = 2;
    pen.setLineDash([]);
    pen.beginPath();
    pen.moveTo(x - size, y - size);
    pen.lineTo(x + size, y + size);
    pen.moveTo(x + size, y - size);
    pen.lineTo(x - size, y + size);
    pen.stroke();
  }

  mark({ x, y, kind, match, selected, evidence }) {
    const { pen, colors } = this;
    if (evidence) return;
    if (match || selected) {
      pen.beginPath();
      pen.arc(x, y, 9, 0, 2 * Math.PI);
      pen.lineWidth = selected ? 3 : 2;
      pen.strokeStyle = selected ? colors.accent : colors.note;
      pen.setLineDash(selected ? [] : [3, 2]);
      pen.stroke();
    }
    this.shape(SHAPES[kind] || "circled", x, y, colors[COLORS[kind] || "commit"]);
  }

  shape(shape, x, y, color) {
    const { pen, colors } = this;
    pen.setLineDash([]);
    pen.lineWidth = 1.6;
    pen.strokeStyle = color;
    pen.fillStyle = color;
    pen.beginPath();
    const polygon = (...points) => {
      points.forEach(([dx, dy], number) => (number ? pen.lineTo(x + dx, y + dy) : pen.moveTo(x + dx, y + dy)));
      pen.closePath();
    };
    if (shape === "disc" || shape === "ring" || shape === "circled") pen.arc(x, y, 4.5, 0, 2 * Math.PI);
    else if (shape === "diamond") polygon([0, -6], [6, 0], [0, 6], [-6, 0]);
    else if (shape === "square") polygon([-4, -4], [4, -4], [4, 4], [-4, 4]);
    else if (shape === "bar") polygon([-1.5, -6], [1.5, -6], [1.5, 6], [-1.5, 6]);
    else if (shape === "flag") polygon([-3, -6], [6, -2.5], [-1.5, 1], [-1.5, 6], [-3, 6]);
    else if (shape === "triangle") polygon([0, -6], [6, 5], [-6, 5]);
    else if (shape === "hexagon") polygon([-5, 0], [-2.5, -4.5], [2.5, -4.5], [5, 0], [2.5, 4.5], [-2.5, 4.5]);
    else if (shape === "key") polygon([-5, -3], [2, -3], [6, 0], [2, 3], [-5, 3]);
    else if (shape === "plus") polygon([-5, -2], [-2, -2], [-2, -5], [2, -5], [2, -2], [5, -2], [5, 2], [2, 2], [2, 5], [-2, 5], [-2, 2], [-5, 2]);
    else if (shape === "page") polygon([-4, -5], [4, -5], [4, 3], [1, 6], [-4, 6]);
    else if (shape === "half") pen.arc(x, y, 5.5, Math.PI / 2, (3 * Math.PI) / 2);
    else if (shape === "stack") for (const dy of [-5, -1.5, 2]) pen.rect(x - 5, y + dy, 10, 2);
    else if (shape === "chevron") polygon([-4, -6], [1, -6], [5, 0], [1, 6], [-4, 6], [0, 0]);
    else if (shape === "bow") polygon([-6, -5], [6, 5], [6, -5], [-6, 5]);
    else if (shape === "end") polygon([-5, -5], [-2, -5], [-2, 5], [-5, 5]);
    if (shape === "ring" || shape === "circled") {
      pen.fillStyle = colors.ground;
      pen.fill();
      pen.stroke();
      if (shape === "circled") this.line(x - 3, y, x + 3, y, color, []);
    } else pen.fill();
  }

  label({ x, y, width, text, strong }) {
    this.pen.font = `${strong ? "bold " : ""}11px ${this.font}`;
    this.words(text, x, y, this.colors.text, width);
  }

  /** Evidence has a number on a disc, an event of a cause a letter on a square. */
  badge({ x, y, text }) {
    const { pen, colors } = this;
    pen.beginPath();
    if (text > "9") pen.rect(x - 8, y - 8, 16, 16);
    else pen.arc(x, y, 9, 0, 2 * Math.PI);
    pen.fillStyle = text > "9" ? colors.note : colors.bad;
    pen.fill();
    pen.fillStyle = colors["mark-text"];
    pen.font = `bold 12px ${this.font}`;
    pen.textAlign = "center";
    pen.fillText(text, x, y + 0.5);
    pen.textAlign = "left";
  }

  /** Text on the ground's colour, so that lines below it do not run through it. */
  words(text, x, y, color, width) {
    const { pen, colors } = this;
    const shown = this.fit(text, width);
    pen.globalAlpha = 0.8;
    pen.fillStyle = colors.ground;
    pen.fillRect(x, y - 6, pen.measureText(shown).width, 12);
    pen.globalAlpha = 1;
    pen.fillStyle = color;
    pen.fillText(shown, x, y);
  }

  /** The text, cut to so many pixels. */
  fit(text, width) {
    const { pen } = this;
    if (pen.measureText(text).width <= width) return text;
    let end = Math.min(text.length, Math.floor(width / 4));
    while (end > 0 && pen.measureText(`${text.slice(0, end)}\u2026`).width > width) end--;
    return end ? `${text.slice(0, end)}\u2026` : "";
  }

  /** The part of a line that is on the canvas, or within OUTSIDE pixels of it; null if there is none. */
  seen(x1, y1, x2, y2) {
    let [begin, end] = [0, 1];
    for (const [at, to, size] of [[x1, x2, this.width], [y1, y2, this.height]]) {
      const [low, high] = [-OUTSIDE - at, size + OUTSIDE - at];
      if (at === to) {
        if (low > 0 || high < 0) return null;
        continue;
      }
      const cuts = [low / (to - at), high / (to - at)];
      begin = Math.max(begin, Math.min(...cuts));
      end = Math.min(end, Math.max(...cuts));
    }
    if (begin > end) return null;
    const on = (from, to, part) => from + (to - from) * part;
    return [on(x1, x2, begin), on(y1, y2, begin), on(x1, x2, end), on(y1, y2, end)];
  }

  /** Only as much of it as may be seen: a browser takes minutes for the dashes of a line of a million pixels. */
  line(x1, y1, x2, y2, color, dash, width = 1) {
    const { pen } = this;
    const seen = this.seen(x1, y1, x2, y2);
    if (!seen) return;
    [x1, y1, x2, y2] = seen;
    pen.strokeStyle = color;
    pen.lineWidth = width;
    pen.setLineDash(dash);
    pen.beginPath();
    pen.moveTo(x1, y1);
    pen.lineTo(x2, y2);
    pen.stroke();
  }
}
