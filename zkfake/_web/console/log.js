/* The live log: what happens on the servers, as it happens. */

import { button, field, h, select } from "./dom.js";
import { connected, follow, forget, recent } from "./live.js";
import { counted, visible } from "./words.js";

const MOST_ROWS = 300;

// The kinds of events that each choice shows; null for all.
const CHOICES = {
  all: null,
  requests: ["sent", "reply"],
  watches: ["watch event"],
  transactions: ["committed", "restored"],
  faults: ["fault"],
  servers: ["server event", "state change", "elected", "followed", "link changed", "server paused", "configured"],
};

export class LogView {
  title = "Log";

  constructor() {
    this.paused = false;
    this.rows = new WeakMap(); // by event
    this.kinds = select(
      [
        ["all", "All events"],
        ["requests", "Requests and replies"],
        ["watches", "Watch events"],
        ["transactions", "Transactions"],
        ["faults", "Faults"],
        ["servers", "Servers"],
      ],
      { name: "kinds", onchange: () => this.draw() },
    );
    this.text = h("input", { type: "search", name: "text", oninput: () => this.draw() });
    this.pings = h("input", { type: "checkbox", name: "pings", onchange: () => this.draw() });
    this.pause = button("Pause", () => this.toggle(), { "aria-pressed": "false" });
    this.note = h("p", { class: "dim", id: "log-note" });
    this.body = h("tbody", {});
    this.element = h(
      "div",
      { class: "page log" },
      h("h2", {}, "Log"),
      h(
        "p",
        { class: "bar" },
        field("Show", this.kinds),
        field("With the text", this.text),
        h("label", { class: "check" }, this.pings, "Pings"),
        this.pause,
        button("Clear", () => this.clear()),
      ),
      this.note,
      h(
        "div",
        { class: "wide", tabindex: "0", role: "region", "aria-label": "Events, the newest first" },
        h(
          "table",
          {},
          h("thead", {}, h("tr", {}, ["Time", "Who", "Kind", "What"].map((head) => h("th", { scope: "col" }, head)))),
          this.body,
        ),
      ),
    );
    follow(() => this.soon());
  }

  show() {
    this.shown = true;
    this.draw();
  }

  hide() {
    this.shown = false;
  }

  toggle() {
    this.paused = !this.paused;
    this.pause.setAttribute("aria-pressed", String(this.paused));
    this.pause.textContent = this.paused ? "Go on" : "Pause";
    this.draw();
  }

  clear() {
    forget();
    this.draw();
  }

  /** However many come, there is one drawing in a frame. */
  soon() {
    if (this.frame || this.paused || !this.shown) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      if (!this.paused && this.shown) this.draw();
    });
  }

  matches(event) {
    const kinds = CHOICES[this.kinds.value];
    if (kinds && !kinds.includes(event.kind)) return false;
    if (event.operation === "ping" && !this.pings.checked) return false;
    const text = this.text.value.toLowerCase();
    return !text || `${event.who} ${event.text}`.toLowerCase().includes(text);
  }

  draw() {
    const found = recent.filter((each) => this.matches(each));
    const rows = found
      .slice(-MOST_ROWS)
      .reverse()
      .map((each) => this.row(each));
    this.body.replaceChildren(...rows);
    const lost = connected ? "" : " zkfake does not answer.";
    const few = found.length > MOST_ROWS ? `, the newest ${MOST_ROWS} of ${found.length}` : "";
    this.note.textContent = `${counted(rows.length, "event")}${few}, the newest first.${this.paused ? " Paused." : ""}${lost}`;
  }

  row(event) {
    if (!this.rows.has(event)) this.rows.set(event, this.made(event));
    return this.rows.get(event);
  }

  made(event) {
    const kind = event.kind.replace(" ", "-");
    return h(
      "tr",
      { class: event.error ? "refused" : kind },
      h("td", { class: "when" }, event.time.toFixed(3)),
      h("td", { class: "who" }, h("code", {}, visible(event.who))),
      h("td", {}, h("span", { class: `tag ${kind}` }, event.kind)),
      h("td", { class: "what" }, visible(event.text)),
    );
  }
}
