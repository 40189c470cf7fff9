/* The slider over zxids: which moment is shown, what its transaction changed, and back to now. */

import { get } from "./api.js";
import { attempt, button, h, replace } from "./dom.js";
import { count, moment, move, onKnown, onMoved, placeOf, zxidOf } from "./moment.js";
import { counted, time, visible, zxidText } from "./words.js";

const VERBS = { create: "created", delete: "deleted", setData: "set the data of", setACL: "set the ACL of", check: "checked" };

export class PastView {
  /** `go(path)` shows a znode; `touched(paths)`: those that the transaction has changed. */
  constructor(go, touched) {
    this.go = go;
    this.touched = touched;
    this.slider = h("input", {
      type: "range",
      id: "slider",
      min: "0",
      "aria-label": "Moment, from the oldest zxid to now",
      oninput: () => this.slid(),
    });
    this.back = button("◀", () => this.step(-1), { "aria-label": "The transaction before", title: "The transaction before" });
    this.on = button("▶", () => this.step(1), { "aria-label": "The transaction after", title: "The transaction after" });
    this.now = button("Now", () => move(null), { id: "now" });
    this.where = h("output", { id: "where", for: "slider" });
    this.what = h("div", { id: "change", "aria-live": "polite" });
    this.element = h(
      "section",
      { id: "past", "aria-label": "Moment" },
      h("div", { class: "line" }, this.back, this.slider, this.on, this.now, this.where),
      this.what,
    );
    onKnown(() => this.draw());
    onMoved(() => {
      this.draw();
      return attempt(() => this.tellChange());
    });
  }

  /** However quickly it is drawn, one moment is read after the other, and the last one at last. */
  async slid() {
    const sliding = this.wanted !== undefined;
    this.wanted = Number(this.slider.value);
    if (sliding) return;
    let place;
    do {
      place = this.wanted;
      await move(place >= count() - 1 ? null : zxidOf(place));
    } while (place !== this.wanted);
    this.wanted = undefined;
  }

  step(by) {
    const place = moment.at === null ? count() - 1 : placeOf(moment.at);
    const to = place + by;
    // The newest transaction is a moment of its own: what it changed is told.
    if (to >= 0 && to < count()) move(zxidOf(to));
    else if (by > 0) move(null);
  }

  draw() {
    const newest = count() - 1;
    const place = moment.at === null ? newest : placeOf(moment.at);
    this.slider.max = newest;
    if (this.wanted === undefined) this.slider.value = place; // not from under the user's hand
    const text = moment.at === null ? `Now, zxid ${zxidText(moment.last)}` : `The tree as it was at zxid ${zxidText(moment.at)}`;
    this.where.textContent = text;
    this.slider.setAttribute("aria-valuetext", text);
    this.element.classList.toggle("in-past", moment.at !== null);
    this.back.disabled = place === 0;
    this.on.disabled = this.now.disabled = moment.at === null;
  }

  async tellChange() {
    const { at } = moment;
    this.request?.abort();
    const { signal } = (this.request = new AbortController());
    if (at === null || at === moment.first) {
      replace(this.what, String(at), () => (at === null ? [] : h("p", { class: "dim" }, "The oldest state that is kept.")));
      this.touched([]);
      return;
    }
    const [done] = (await get("/transactions", { after: at - 1, limit: 1 }, signal)).transactions;
    if (signal.aborted || done?.zxid !== at) return;
    this.touched(done.changes.map((each) => each.path));
    replace(this.what, String(at), () => this.change(done));
  }

  change(done) {
    const who = done.session === null ? "no session" : `session ${done.session}`;
    return [
      h("p", {}, time(done.time), `, ${who}: ${done.operation}`, done.error && `, refused: ${done.error}`),
      h(
        "ul",
        { class: "plain changes" },
        done.changes.map((each) =>
          h("li", { class: each.change }, `${VERBS[each.change]} `, button(visible(each.path), () => this.go(each.path), { class: "link" })),
        ),
        done.total > done.changes.length && h("li", {}, `and ${counted(done.total - done.changes.length, "more change")}`),
        done.total === 0 && h("li", { class: "dim" }, "No znode was changed."),
      ),
    ];
  }
}
