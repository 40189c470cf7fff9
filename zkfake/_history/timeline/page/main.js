// Puts the page together, draws a frame after each change, and tells tests what is there.

const model = readModel(JSON.parse(document.getElementById("picture").textContent));
const canvas = element("canvas");
const tip = element("tip");
const painter = new Painter(canvas);
const filters = new Filters(model);
let scene = null;
let frames = 0;
let asked = false;

/** Events that can be read together: a history of so many is shown whole. */
const SHORT = 80;

const view = new View(model, filters, () => {
  if (asked) return;
  asked = true;
  requestAnimationFrame(draw);
});

function draw() {
  asked = false;
  frames++;
  scene = makeScene(model, filters, view);
  painter.paint(scene, view, model);
  panel.update(scene);
  showState();
}

function showState() {
  const { matches, query } = filters;
  const place = matches.indexOf(view.selected);
  element("matches").textContent = !query ? "" : place >= 0 ? `${place + 1} of ${matches.length}` : `${matches.length} found`;
  element("hint").textContent = !filters.count ? "Nothing is shown: the filters leave nothing."
    : scene.detail ? "" : `${scene.inView} events in view; zoom in to see single messages`;
  canvas.setAttribute("aria-label", `Timeline, ${scene.inView} of ${model.count} events in view. Arrow keys go from event to event.`);
}

/** A finding is chosen: its evidence gets numbers and comes into view. */
function choose(finding) {
  view.setFinding(finding);
  if (filters.finding) {
    filters.finding = finding;
    filters.update();
    view.filtered();
  }
  view.showEvidence();
}

/** The mark at a point of the canvas, the first one of a column; -1 for none. */
function markAt(x, y) {
  let best = -1, least = 14;
  for (const mark of scene.marks) {
    const away = Math.hypot(mark.x - x, mark.y - y);
    if (away < least) [best, least] = [mark.mark, away];
  }
  if (best >= 0 || scene.detail) return best;
  const column = scene.columns.find((each) => x >= each.x && x <= each.x + each.width + 1 && y >= each.y - 4 && y <= each.y + each.height + 2);
  return column ? column.mark : -1;
}

function hover(x, y) {
  const mark = x < 0 ? -1 : markAt(x, y);
  const band = mark < 0 && x >= GUTTER && scene.bands.find((each) => x >= each.x1 && x <= each.x2 && y >= each.y && y <= each.y + BAND);
  tip.hidden = mark < 0 && !band;
  if (tip.hidden) return;
  tip.textContent = mark >= 0 ? `${timeText(model.time[mark])}\n${model.text(mark)}` : band.text;
  tip.style.left = `${Math.min(x + 12, Math.max(0, view.width - 300))}px`;
  tip.style.top = `${y + 14}px`;
}

function themeChanged() {
  painter.readColors();
  panel.showLegend(painter);
  view.changed();
}

const panel = new Panel(model, view, filters, choose);
addControls(model, view, filters, { hover, markAt, themeChanged });

function fit() {
  const { clientWidth, clientHeight } = element("stage");
  view.resize(clientWidth, clientHeight);
}

fit(); // an observer is called with the next frame: what is chosen below needs the size now
new ResizeObserver(fit).observe(element("stage"));
const first = model.findings.find((finding) => finding.broken) || model.findings[0];
if (first && model.count > SHORT) {
  element("focus").checked = true;
  filters.finding = first; // what else there is comes when the box is unchecked
}
if (first) choose(first);
if (model.count <= SHORT) view.showAll();

/**
 * For tests: `state()` draws what is due and says what is in the frame; `pointOf(mark)` is where a mark is in the
 * window, or null. Nothing on the page uses it.
 */
window.zkfakeTimeline = {
  limits: { items: MOST_ITEMS, detail: DETAIL, events: MOST_EVENTS },
  state() {
    fit(); // the observer may be yet to be called
    draw();
    return {
      axis: view.axis.name,
      from: view.from,
      to: view.to,
      top: view.top,
      selected: view.selected,
      finding: model.findings.indexOf(view.finding),
      evidence: [...view.evidence.keys()],
      events: model.count,
      shown: filters.count,
      inView: scene.inView,
      matches: filters.matches,
      lanes: scene.lanes.map(({ lane }) => laneName(model.lanes[lane])),
      frames,
      detail: scene.detail,
      items: scene.items,
      marks: scene.marks.map(({ mark }) => mark),
      arrows: scene.arrows.map(({ style, lost, unsure }) => ({ style, lost, unsure })),
      bands: scene.bands.map(({ kind, text }) => ({ kind, text })),
      labels: scene.labels.map(({ text }) => text.trim()),
      columns: scene.columns.reduce((sum, { count }) => sum + count, 0),
      dark: document.documentElement.hasAttribute("data-dark"),
    };
  },
  pointOf(mark) {
    draw();
    const found = scene.marks.find((each) => each.mark === mark);
    const box = canvas.getBoundingClientRect();
    return found ? { x: box.left + found.x, y: box.top + found.y } : null;
  },
};
