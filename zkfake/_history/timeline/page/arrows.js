// The messages of one frame. Where the time at a server was not recorded, a message is there halfway.

function addArrows(scene, model, filters, view, place) {
  const { x: at } = view.axis;
  const pixel = (view.to - view.from) / (view.width - GUTTER);
  const point = (position, lane) => ({
    x: GUTTER + (position - view.from) / pixel,
    y: place.lane(lane).middle + place.top,
  });
  const on = (mark) => mark >= 0 && filters.shown[mark];
  const written = [];
  const draw = (style, from, to, options = {}) => {
    if (scene.arrows.length >= ARROWS || Math.max(from.x, to.x) < GUTTER || Math.min(from.x, to.x) > place.right) return;
    const arrow = { style, from, to, words: "", strong: false, unsure: false, ...options };
    if (arrow.lost) {
      arrow.to = { x: (from.x + to.x) / 2, y: (from.y + to.y) / 2 };
      // Where many are lost at once, the crosses say it.
      if (written.every(({ x, y }) => Math.abs(x - arrow.to.x) > 80 || Math.abs(y - arrow.to.y) > 14)) {
        arrow.words = arrow.unsure ? "no reply" : `${style} lost`;
        written.push(arrow.to);
      }
    }
    scene.arrows.push(arrow);
  };
  const has = (lane) => lane >= 0 && place.lane(lane);

  for (const each of model.exchanges) {
    const client = model.lane[each.sent];
    if (!has(client) || !has(each.lane) || !(on(each.sent) || on(each.end))) continue;
    if (!crosses(at, [each.sent, each.end, each.commit], view)) continue;
    const strong = view.selected >= 0 && model.exchangeOf[view.selected] >= 0 &&
      model.exchanges[model.exchangeOf[view.selected]] === each;
    const sent = at[each.sent];
    const end = each.end >= 0 ? at[each.end] : sent + 48 * pixel;
    const commit = on(each.commit) && has(model.lane[each.commit]) ? at[each.commit] : null;
    const leader = commit === null ? -1 : model.lane[each.commit];
    const halfway = each.outcome > ARRIVED ? Math.min((sent + end) / 2, sent + 60 * pixel) : (sent + end) / 2;
    let asked = halfway;
    let answered = halfway;
    if (commit !== null) {
      asked = leader === each.lane ? commit : (sent + commit) / 2;
      answered = leader === each.lane ? commit : (commit + end) / 2;
      if (leader !== each.lane) {
        draw("forward", point(asked, each.lane), point(commit, leader), { strong });
        draw("commit", point(commit, leader), point(answered, each.lane), { strong });
      }
    }
    const unsure = each.outcome === UNKNOWN;
    if (on(each.sent)) {
      const lost = each.outcome === REQUEST_LOST || unsure;
      draw("request", point(sent, client), point(asked, each.lane), { strong, unsure, lost });
    }
    if (each.outcome === ARRIVED && on(each.end)) {
      draw("reply", point(answered, each.lane), point(end, client), { strong });
    } else if (each.outcome === REPLY_LOST && on(each.sent)) {
      draw("reply", point(answered, each.lane), point(Math.min(end, answered + 120 * pixel), client), { strong, lost: true });
    }
  }

  for (const { mark, lane, commit } of model.told) {
    if (!on(mark) || !has(lane) || !crosses(at, [mark, commit], view)) continue;
    const client = model.lane[mark];
    const strong = mark === view.selected;
    let told = at[mark] - 14 * pixel;
    if (on(commit) && has(model.lane[commit])) {
      const leader = model.lane[commit];
      told = leader === lane ? at[commit] : (at[commit] + at[mark]) / 2;
      if (leader !== lane) draw("commit", point(at[commit], leader), point(told, lane), { strong });
    }
    draw("event", point(told, lane), point(at[mark], client), { strong });
  }

  for (const { from, to, style } of model.steps) {
    if (!on(from) || !on(to) || !has(model.lane[from]) || !has(model.lane[to])) continue;
    if (!crosses(at, [from, to], view)) continue;
    draw(style, point(at[from], model.lane[from]), point(at[to], model.lane[to]));
  }
}

/** Whether what joins these marks is in view. */
function crosses(at, marks, view) {
  let from = Infinity, to = -Infinity;
  for (const mark of marks) {
    if (mark < 0) continue;
    from = Math.min(from, at[mark]);
    to = Math.max(to, at[mark]);
  }
  return to >= view.from && from <= view.to;
}
