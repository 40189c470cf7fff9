/* The tree of znodes: only the rows that are seen are elements, and children come page by page.

Rules that live here: a row has the same height as any other, so its place says which it is. The
focus is on the whole tree; `aria-activedescendant` says which row is the current one. */

import { get } from "./api.js";
import { attempt, h } from "./dom.js";
import { moment } from "./moment.js";
import { counted, number, visible } from "./words.js";

export const PAGE = 500;
const BEYOND = 8; // rows above and below what is seen
const DEEPEST = 12; // levels that are indented

const parentOf = (path) => path.slice(0, path.lastIndexOf("/")) || "/";

class Branch {
  constructor(item, above) {
    this.item = item;
    this.path = item.path;
    this.above = above;
    this.level = above ? above.level + 1 : 1;
    this.open = false;
    this.children = null;
    this.next = null; // `after` of the next page
    this.earlier = false; // whether there are children before the first one here
    this.loading = false;
  }
}

export class Tree {
  /** `onselect(path)`: another znode is the current one. */
  constructor(onselect) {
    this.onselect = onselect;
    this.root = new Branch({ name: "/", path: "/", num_children: 0, data_length: 0 }, null);
    this.rows = [];
    this.current = "/";
    this.touched = new Set();
    this.elements = new Map();
    this.canvas = h("div", { class: "rows", role: "presentation" });
    this.element = h(
      "div",
      {
        id: "tree",
        role: "tree",
        tabindex: "0",
        "aria-label": "Znodes",
        onkeydown: (event) => this.pressed(event),
        onclick: (event) => this.clicked(event),
        onscroll: () => this.soon(),
      },
      this.canvas,
    );
    new ResizeObserver(() => this.soon()).observe(this.element);
  }

  // -- what there is

  async page(path, after = "", limit = PAGE) {
    return get("/tree", { path, at: moment.at, after, limit });
  }

  /** Reads all branches that are open anew. If it is asked for again meanwhile, that one counts. */
  async reload() {
    const reading = (this.reading = this.fresh(this.root, null));
    const root = await reading;
    if (reading === this.reading) {
      this.root = root;
      this.layOut();
    } else await this.reloaded();
  }

  async reloaded() {
    let reading;
    while (reading !== this.reading) {
      reading = this.reading;
      await reading;
    }
  }

  async fresh(old, above) {
    const branch = new Branch(old.item, above);
    const size = Math.min(1000, Math.max(PAGE, old.children?.length ?? 0));
    const start = old.earlier && old.children?.length ? before(old.children[0].item.name) : "";
    let page;
    try {
      page = await this.page(old.path, start, old.open || !above ? size : 0);
    } catch (error) {
      if (error.status === 404 && above) return null;
      throw error;
    }
    branch.item = itemOf(page, old.item.name);
    if (!old.open && above) return branch;
    branch.open = true;
    branch.earlier = start !== "";
    this.fill(branch, page);
    const opened = new Map((old.children ?? []).filter((each) => each.open).map((each) => [each.path, each]));
    for (const [place, child] of branch.children.entries()) {
      const was = opened.get(child.path);
      if (was) branch.children[place] = (await this.fresh(was, branch)) ?? child;
    }
    return branch;
  }

  fill(branch, page) {
    branch.item = itemOf(page, branch.item.name);
    branch.children = [...(branch.children ?? []), ...page.children.map((each) => new Branch(each, branch))];
    branch.next = page.next;
  }

  async expand(branch) {
    if (branch.open || branch.loading) return;
    branch.loading = true;
    try {
      if (branch.children === null) this.fill(branch, await this.page(branch.path));
      branch.open = true;
    } finally {
      branch.loading = false;
    }
    this.layOut();
  }

  collapse(branch) {
    branch.open = false;
    branch.children = null; // what it has is read again
    branch.earlier = false;
    this.layOut();
  }

  async more(branch) {
    if (branch.loading || branch.failed) return;
    branch.loading = true;
    try {
      this.fill(branch, await this.page(branch.path, branch.next));
    } catch (error) {
      branch.failed = true; // a click tries again
      throw error;
    } finally {
      branch.loading = false;
    }
    this.layOut();
  }

  async fromStart(branch) {
    branch.children = null;
    branch.earlier = false;
    this.fill(branch, await this.page(branch.path));
    this.layOut();
  }

  /** Opens what is above a znode, reads the page that it is on, and makes it the current one. */
  async reveal(path) {
    let branch = this.root;
    await this.expand(branch);
    const parts = path === "/" ? [] : path.slice(1).split("/");
    for (const [level, name] of parts.entries()) {
      await this.expand(branch);
      const own = `/${parts.slice(0, level + 1).join("/")}`;
      let child = branch.children.find((each) => each.path === own);
      if (!child && (branch.next !== null || branch.earlier)) {
        branch.children = null;
        const start = before(name);
        branch.earlier = start !== "";
        this.fill(branch, await this.page(branch.path, start));
        child = branch.children.find((each) => each.path === own);
      }
      if (!child) break;
      branch = child;
    }
    this.layOut();
    this.choose(branch.path);
  }

  /** Some znodes have changed: what is here of them is read again. `paths`: null for all. */
  async changed(paths) {
    if (paths === null || paths.length > 30) {
      await this.reload();
      return;
    }
    const near = new Set(paths.flatMap((path) => (path === "/" ? ["/"] : [path, parentOf(path)])));
    // Parents first: a znode may be new below one that is new.
    for (const path of [...near].sort((one, other) => one.length - other.length)) {
      const above = path === "/" ? null : this.find(parentOf(path));
      if (above && !above.open) continue;
      await this.refresh(path, above);
    }
    this.layOut();
  }

  async refresh(path, above) {
    const known = this.find(path);
    let page;
    try {
      page = await this.page(path, "", 0);
    } catch (error) {
      if (error.status !== 404) throw error;
      if (above && known) above.children.splice(above.children.indexOf(known), 1);
      return;
    }
    if (known) {
      known.item = itemOf(page, known.item.name);
      if (!known.item.num_children) known.open = false;
      if (known.open && known.children.length === 0) this.fill(known, await this.page(path));
      return;
    }
    if (!above || this.find(path)) return;
    const item = itemOf(page, path.slice(path.lastIndexOf("/") + 1));
    const place = above.children.findIndex((each) => each.item.name > item.name);
    if (place >= 0) above.children.splice(place, 0, new Branch(item, above));
    else if (above.next === null) above.children.push(new Branch(item, above));
  }

  find(path) {
    if (path === "/") return this.root;
    let branch = this.root;
    for (const name of path.slice(1).split("/")) {
      branch = branch?.children?.find((each) => each.item.name === name);
    }
    return branch;
  }

  // -- what is seen

  layOut() {
    const rows = [];
    const add = (branch, place) => {
      rows.push({ branch, place });
      if (!branch.open) return;
      if (branch.earlier) rows.push({ branch, kind: "earlier" });
      branch.children.forEach((child, index) => add(child, index));
      if (branch.next !== null) rows.push({ branch, kind: "more" });
    };
    add(this.root, 0);
    this.rows = rows;
    this.paint();
  }

  soon() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.paint();
    });
  }

  paint() {
    if (!this.element.isConnected || !this.element.clientHeight) return;
    const height = rowHeight(this.element);
    const from = Math.max(0, Math.floor(this.element.scrollTop / height) - BEYOND);
    const to = Math.min(
      this.rows.length,
      Math.ceil((this.element.scrollTop + this.element.clientHeight) / height) + BEYOND,
    );
    this.canvas.style.height = `${this.rows.length * height}px`;
    const kept = new Map();
    for (let index = from; index < to; index += 1) {
      const row = this.rows[index];
      const key = `${row.kind ?? ""} ${row.branch.path}`;
      const element = this.elements.get(key) ?? h("div", {});
      this.draw(element, row, index, height);
      kept.set(key, element);
      if (row.kind === "more") attempt(() => this.more(row.branch));
    }
    const gone = [...this.elements].filter(([key]) => !kept.has(key));
    for (const [, element] of gone) element.remove();
    for (const element of kept.values()) if (!element.isConnected) this.canvas.append(element);
    this.elements = kept;
    const active = kept.get(` ${this.current}`);
    if (active) this.element.setAttribute("aria-activedescendant", active.id);
    else this.element.removeAttribute("aria-activedescendant");
  }

  draw(element, { branch, kind, place }, index, height) {
    const level = branch.level + (kind ? 1 : 0);
    const { item } = branch;
    const chosen = !kind && branch.path === this.current;
    const look = JSON.stringify([item, branch.open, branch.failed, chosen, place, this.touched.has(branch.path), branch.children?.length]);
    element.style.transform = `translateY(${index * height}px)`;
    element.dataset.index = index;
    if (element.look === look) return;
    element.look = look;
    element.style.paddingInlineStart = `${(Math.min(level, DEEPEST) - 1) * 14 + 4}px`;
    if (kind) {
      element.className = `row ${kind}`;
      const text = kind === "earlier" ? "Children before these" : branch.failed ? "Try again" : "More children ...";
      element.replaceChildren(text);
      return;
    }
    element.className = "row";
    element.classList.toggle("current", chosen);
    element.classList.toggle("touched", this.touched.has(branch.path));
    const children = item.num_children;
    const properties = {
      id: `row-${encodeURIComponent(branch.path)}`,
      role: "treeitem",
      "aria-level": branch.level,
      "aria-selected": String(chosen),
      "aria-setsize": branch.above ? branch.above.item.num_children : 1,
    };
    if (!branch.above?.earlier) properties["aria-posinset"] = place + 1;
    for (const [name, value] of Object.entries(properties)) element.setAttribute(name, value);
    if (children) element.setAttribute("aria-expanded", String(branch.open));
    else element.removeAttribute("aria-expanded");
    element.dataset.path = branch.path;
    element.replaceChildren(
      h("span", { class: "twist", "aria-hidden": "true" }, children ? (branch.open ? "▾" : "▸") : ""),
      h("span", { class: "name" }, visible(item.name)),
      item.ephemeral_owner
        ? h("span", { class: "tag", title: `Of session ${item.ephemeral_owner}` }, "ephemeral")
        : "",
      h("span", { class: "size", title: children ? counted(children, "child", "children") : "" }, children ? number(children) : ""),
    );
  }

  // -- what is done

  /** Makes a row that there is the current one, and scrolls to it. */
  choose(path) {
    const index = this.rows.findIndex(({ branch, kind }) => !kind && branch.path === path);
    if (index < 0) return;
    this.current = path;
    const height = rowHeight(this.element);
    const top = index * height;
    if (top < this.element.scrollTop) this.element.scrollTop = top;
    const bottom = top + height - this.element.clientHeight;
    if (bottom > this.element.scrollTop) this.element.scrollTop = bottom;
    this.paint();
    this.onselect(path);
  }

  clicked(event) {
    const row = this.rows[event.target.closest(".row")?.dataset.index];
    if (!row) return;
    const { branch, kind } = row;
    if (kind === "earlier") attempt(() => this.fromStart(branch));
    else if (kind === "more") {
      branch.failed = false;
      attempt(() => this.more(branch));
    } else {
      if (event.target.closest(".twist")) this.toggle(branch);
      this.choose(branch.path);
    }
  }

  toggle(branch) {
    if (branch.open) this.collapse(branch);
    else if (branch.item.num_children) attempt(() => this.expand(branch));
  }

  pressed(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const index = this.rows.findIndex(({ branch, kind }) => !kind && branch.path === this.current);
    const branch = this.rows[index]?.branch ?? this.root;
    const page = Math.max(1, Math.floor(this.element.clientHeight / rowHeight(this.element)) - 1);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (event.key in steps) this.step(Math.max(0, index), steps[event.key]);
    else if (event.key === "ArrowRight") {
      if (!branch.open) this.toggle(branch);
      else if (branch.children.length) this.choose(branch.children[0].path);
    } else if (event.key === "ArrowLeft") {
      if (branch.open) this.collapse(branch);
      else if (branch.above) this.choose(branch.above.path);
    } else if (event.key === "Enter" || event.key === " ") this.toggle(branch);
    else return;
    event.preventDefault();
  }

  step(index, by) {
    let to = Math.min(this.rows.length - 1, Math.max(0, index + by));
    const back = by > 0 ? -1 : 1;
    if (this.rows[to].kind && Math.abs(by) === 1) to += by; // over what is no znode
    while (this.rows[to]?.kind || !this.rows[to]) to += back;
    this.choose(this.rows[to].branch.path);
  }
}

/** A text that is before a name, and not far from it. */
const before = (name) => Array.from(name).slice(0, -1).join("");

const rowHeight = (element) => parseFloat(getComputedStyle(element).getPropertyValue("--row")) || 24;

function itemOf(page, name) {
  const { stat } = page;
  return {
    name,
    path: page.path,
    num_children: stat.num_children,
    data_length: stat.data_length,
    version: stat.version,
    mzxid: stat.mzxid,
    ephemeral_owner: stat.ephemeral_owner,
  };
}
