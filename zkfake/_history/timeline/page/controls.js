// The controls: each changes the view or the filters, and nothing else.

const MOST_BOXES = 200, MOST_PATH_CHOICES = 300;

function addControls(model, view, filters, page) {
  const filter = () => {
    filters.update();
    view.filtered();
  };
  element("axis").onchange = (event) => view.setAxis(event.target.value);
  element("zoom-in").onclick = () => view.zoom(1 / 1.6);
  element("zoom-out").onclick = () => view.zoom(1.6);
  element("zoom-all").onclick = () => view.showAll();
  const evidence = element("zoom-evidence");
  evidence.onclick = () => view.showEvidence();
  evidence.disabled = element("focus").disabled = !model.findings.length;
  element("focus").onchange = (event) => {
    filters.finding = event.target.checked ? view.finding : null;
    filter();
  };

  const search = element("search");
  search.oninput = () => {
    filters.query = search.value;
    filters.update();
    view.changed();
  };
  search.onkeydown = (event) => {
    if (event.key === "Enter") view.stepMatch(event.shiftKey ? -1 : 1);
  };
  element("search-on").onclick = () => view.stepMatch(1);
  element("search-back").onclick = () => view.stepMatch(-1);

  const path = element("path");
  path.oninput = () => {
    filters.path = path.value;
    filter();
  };
  element("paths").append(...pathsOf(model, MOST_PATH_CHOICES).map((text) => make("option", { value: text })));

  model.kinds.forEach((kind, number) => {
    element("kinds").append(checkBox(kind, true, (on) => {
      filters.kinds[number] = on;
      filter();
    }));
  });
  addLaneBoxes(model, filters, filter);

  const theme = element("theme");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const setTheme = () => {
    const on = theme.value === "dark" || (theme.value === "system" && dark.matches);
    document.documentElement.toggleAttribute("data-dark", on);
    page.themeChanged();
  };
  theme.onchange = setTheme;
  dark.addEventListener("change", setTheme);
  setTheme();
  addKeys(view);
  addPointer(view, page);
}

function checkBox(text, on, change) {
  const box = make("input", { type: "checkbox", checked: on, onchange: () => change(box.checked) });
  return make("label", {}, box, text);
}

/** A box for each lane whose name has what is looked for; at most so many. */
function addLaneBoxes(model, filters, filter) {
  const wanted = element("lane-search");
  const listed = () => {
    const text = wanted.value.toLowerCase();
    return model.lanes.map((_, number) => number).filter((number) => laneName(model.lanes[number]).toLowerCase().includes(text));
  };
  const fill = () => {
    const numbers = listed();
    const boxes = numbers.slice(0, MOST_BOXES).map((number) =>
      checkBox(laneName(model.lanes[number]), filters.lanes[number], (on) => {
        filters.lanes[number] = on;
        filter();
      }));
    if (numbers.length > MOST_BOXES) boxes.push(make("p", { className: "aside" }, `${numbers.length - MOST_BOXES} more`));
    element("lane-boxes").replaceChildren(...boxes);
  };
  const set = (on) => () => {
    for (const number of listed()) filters.lanes[number] = on;
    fill();
    filter();
  };
  wanted.oninput = fill;
  element("lanes-all").onclick = set(true);
  element("lanes-none").onclick = set(false);
  fill();
}

function addKeys(view) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) && event.target.type !== "checkbox") return;
    const all = {
      "+": () => view.zoom(1 / 1.6),
      "=": () => view.zoom(1 / 1.6),
      "-": () => view.zoom(1.6),
      0: () => view.showAll(),
      e: () => view.stepEvidence(1),
      E: () => view.stepEvidence(-1),
      "/": () => element("search").focus(),
      Escape: () => view.select(-1),
    };
    const lane = view.selected < 0 ? null : view.model.lane[view.selected];
    const part = 0.2;
    const onCanvas = event.shiftKey ? {
      ArrowLeft: () => view.pan(-part),
      ArrowRight: () => view.pan(part),
      ArrowUp: () => view.pan(0, -60),
      ArrowDown: () => view.pan(0, 60),
    } : {
      ArrowLeft: () => view.step(-1, lane),
      ArrowRight: () => view.step(1, lane),
      ArrowUp: () => view.stepLane(-1),
      ArrowDown: () => view.stepLane(1),
      Home: () => { view.selected = -1; view.step(1); },
      End: () => { view.selected = -1; view.step(-1); },
    };
    const action = all[event.key] || (event.target.id === "canvas" && onCanvas[event.key]);
    if (!action) return;
    event.preventDefault();
    action();
  });
}

function addPointer(view, page) {
  const canvas = element("canvas");
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  let drag = null;
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const delta = Math.max(-300, Math.min(300, event.deltaY * (event.deltaMode === 1 ? 30 : 1)));
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) view.pan((delta || event.deltaX) / view.width);
    else view.zoom(Math.exp(delta / 400), (at(event).x - GUTTER) / (view.width - GUTTER));
  }, { passive: false });
  canvas.onpointerdown = (event) => {
    canvas.setPointerCapture(event.pointerId);
    drag = { ...at(event), moved: false };
  };
  canvas.onpointermove = (event) => {
    const { x, y } = at(event);
    if (!drag) {
      page.hover(x, y);
      return;
    }
    if (!drag.moved && Math.hypot(x - drag.x, y - drag.y) < 4) return;
    view.pan((drag.x - x) / (view.width - GUTTER), drag.y - y);
    drag = { x, y, moved: true };
  };
  canvas.onpointerup = (event) => {
    if (drag && !drag.moved) view.select(page.markAt(at(event).x, at(event).y));
    drag = null;
  };
  canvas.onpointerleave = () => page.hover(-1, -1);
  canvas.ondblclick = (event) => view.zoom(1 / 4, (at(event).x - GUTTER) / (view.width - GUTTER));
}
