/* Znodes by a text in their path or data. */

import { get } from "./api.js";
import { attempt, button, field, h } from "./dom.js";
import { moment } from "./moment.js";
import { counted, visible } from "./words.js";

const PAGE = 50;

export class SearchView {
  /** `go(path)` shows a znode. */
  constructor(go) {
    this.go = go;
    this.path = h("input", { type: "search", name: "path", autocomplete: "off" });
    this.data = h("input", { type: "search", name: "data", autocomplete: "off" });
    this.results = h("div", { id: "results", "aria-live": "polite" });
    this.element = h(
      "form",
      { id: "search", role: "search", onsubmit: (event) => this.submitted(event) },
      field("Path has", this.path),
      field("Data has", this.data),
      h("button", { type: "submit" }, "Search"),
      button("Clear", () => this.clear()),
      this.results,
    );
  }

  submitted(event) {
    event.preventDefault();
    this.results.replaceChildren();
    if (this.path.value || this.data.value) attempt(() => this.more(""));
  }

  clear() {
    this.path.value = this.data.value = "";
    this.results.replaceChildren();
    this.path.focus();
  }

  async more(after) {
    const query = { path: this.path.value, data: this.data.value, at: moment.at, after, limit: PAGE };
    const { found, next } = await get("/search", query);
    if (!after) {
      const none = found.length ? `${found.length}${next === null ? "" : " or more"} found` : "Nothing found";
      this.results.replaceChildren(h("p", {}, none), h("ul", { class: "plain" }));
    }
    this.results.querySelector(".more")?.remove();
    this.results.querySelector("ul").append(
      ...found.map((each) =>
        h(
          "li",
          {},
          button(visible(each.path), () => this.go(each.path), { class: "link" }),
          h("span", { class: "dim" }, ` ${counted(each.data_length, "byte")}`),
        ),
      ),
    );
    if (next !== null) this.results.append(button("More", () => this.more(next), { class: "more" }));
  }
}
