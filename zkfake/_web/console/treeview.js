/* The view of the tree: search, the slider, the tree itself, and the current znode. */

import { attempt, h } from "./dom.js";
import { moment, move, onCommitted, onMoved } from "./moment.js";
import { PastView } from "./past.js";
import { SearchView } from "./search.js";
import { Tree } from "./tree.js";
import { ZnodeView } from "./znode.js";

export class TreeView {
  title = "Tree";

  /** `find(session)` shows a session in its view. */
  constructor(find) {
    const go = (path, now) => this.go(path, now);
    this.tree = new Tree((path) => this.selected(path));
    this.znode = new ZnodeView(go, find);
    this.search = new SearchView(go);
    this.past = new PastView(go, (paths) => this.touched(paths));
    this.element = h(
      "div",
      { class: "tree-view" },
      this.past.element,
      h("div", { class: "left" }, this.search.element, this.tree.element),
      this.znode.element,
    );
    onMoved(() => attempt(() => this.reload()));
    onCommitted((paths) => moment.at === null && attempt(() => this.changed(paths)));
  }

  async begin() {
    await this.tree.reload();
    this.tree.choose("/");
  }

  show() {
    this.tree.soon();
  }

  /** Shows a znode. `now`: it was written just now. */
  async go(path, now = false) {
    if (now) await move(null);
    await this.tree.reveal(path);
    if (this.tree.current === path) return;
    await this.tree.reload(); // the tree has not heard of it so far
    await this.tree.reveal(path);
    if (this.tree.current !== path) await this.znode.show(path); // it says that it is not there
  }

  selected(path) {
    attempt(() => this.znode.show(path));
  }

  async reload() {
    this.znode.drawButtons(); // what may not be done to the past cannot be done while it is read
    await this.tree.reload();
    await this.znode.show(this.znode.path);
  }

  async changed(paths) {
    await this.tree.changed(paths);
    const { path } = this.znode;
    const near = (each) => each === path || each.slice(0, each.lastIndexOf("/")) === path.replace(/\/$/, "");
    if (paths === null || paths.some(near)) await this.znode.show(path);
  }

  touched(paths) {
    this.tree.touched = new Set(paths);
    this.tree.paint();
  }
}
