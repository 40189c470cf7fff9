/* One znode: what it is, its data, its Stat in words, its ACL, and who watches it. */

import { get } from "./api.js";
import * as actions from "./actions.js";
import { DataView } from "./data.js";
import { attempt, button, h, replace } from "./dom.js";
import { isKept, moment, move, onKnown } from "./moment.js";
import { counted, number, seconds, time, visible, zxidText } from "./words.js";

const PERMISSIONS = { c: "create children", d: "delete children", r: "read", w: "write data", a: "set the ACL" };

export class ZnodeView {
  /** `go(path)` shows another znode; `find(session)` shows a session. */
  constructor(go, find) {
    this.go = go;
    this.find = find;
    this.data = new DataView();
    this.title = h("h2", { id: "znode-title" });
    this.buttons = h("p", { class: "buttons" });
    this.stat = h("div", {});
    this.acl = h("div", {});
    this.watchers = h("div", {});
    this.gone = h("p", { class: "problem", role: "alert" });
    this.sections = h(
      "div",
      {},
      this.buttons,
      h("h3", {}, "Data"),
      this.data.element,
      h("h3", {}, "Stat"),
      this.stat,
      h("h3", {}, "ACL"),
      this.acl,
      this.watchers,
    );
    // A znode may be shown before its newest zxid is known.
    onKnown(() => this.page && this.drawStat());
    this.element = h("section", { id: "znode", "aria-labelledby": "znode-title" }, this.title, this.gone, this.sections);
  }

  /** Shows a znode at the moment that is shown. */
  async show(path) {
    this.path = path;
    this.request?.abort();
    const { signal } = (this.request = new AbortController());
    let page;
    try {
      page = await get("/tree", { path, at: moment.at, limit: 0 }, signal);
    } catch (error) {
      if (error.status !== 404) throw error;
      this.title.replaceChildren(visible(path));
      this.gone.textContent = moment.at === null ? "It is not there any more." : "It was not there then.";
      this.sections.hidden = true;
      return;
    }
    this.page = page;
    this.gone.textContent = "";
    this.sections.hidden = false;
    this.title.replaceChildren(visible(path));
    this.drawButtons();
    this.drawStat();
    this.drawAcl();
    const watches = moment.at === null ? await get("/watches", { path, limit: 100 }, signal) : null;
    if (signal.aborted) return;
    this.drawWatchers(watches);
    await this.data.show(page.data);
    this.element.dataset.shown = `${path} ${page.zxid}`;
  }

  again() {
    return attempt(() => this.show(this.path));
  }

  drawButtons() {
    const { page } = this;
    if (!page) return;
    const past = moment.at !== null;
    const own = (text, action, disabled, key) => button(text, action, { disabled, "data-key": key });
    const top = page.path === "/";
    replace(this.buttons, JSON.stringify([page.path, past, page.zxid]), () => [
      own("Create below ...", () => actions.create(page, this.go), past, "create"),
      own("Edit data ...", () => actions.edit(page), past, "edit"),
      own("Copy ...", () => actions.copy(page, this.go), past || top, "copy"),
      own("Export", () => actions.exportTree(page.path), false, "export"),
      own("Delete ...", () => actions.remove(page, this.go), past || top, "delete"),
    ]);
  }

  drawStat() {
    const { page } = this;
    const { stat } = page;
    const at = (zxid) => this.zxid(zxid);
    const kind = stat.ephemeral_owner
      ? ["ephemeral, of session ", button(stat.ephemeral_owner, () => this.find(stat.ephemeral_owner), { class: "link" })]
      : page.container
        ? "a container: deleted when its last child is"
        : page.ttl
          ? `deleted ${seconds(page.ttl)} after its last change, while it has no children`
          : "persistent";
    // A count of 32 bits: after very many changes it is negative.
    const changes = (count) => (count ? `${number(count)} (changed ${counted(count, "time")})` : "0 (never changed)");
    const rows = [
      ["Kind", kind],
      ["Created", [stat.ctime ? time(stat.ctime) : "with the server", ", zxid ", at(stat.czxid)]],
      ["Data changed", [stat.mtime ? time(stat.mtime) : "never", ", zxid ", at(stat.mzxid)]],
      ["Data version", changes(stat.version)],
      ["Data length", counted(stat.data_length, "byte")],
      ["Children", number(stat.num_children)],
      ["Child version", stat.cversion ? [changes(stat.cversion), ", last at zxid ", at(stat.pzxid)] : changes(0)],
      ["ACL version", changes(stat.aversion)],
    ];
    const kept = [stat.czxid, stat.mzxid, stat.pzxid].map(isKept);
    const key = JSON.stringify([page.path, stat, page.container, page.ttl, kept]);
    replace(this.stat, key, () =>
      h("dl", {}, rows.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))),
    );
  }

  /** A zxid: a button that goes there, where it is kept. */
  zxid(zxid) {
    const text = zxidText(zxid);
    if (!isKept(zxid)) return text;
    return button(text, () => move(zxid), { class: "link", title: "Show the tree as it was then", "data-key": `zxid ${zxid}` });
  }

  drawAcl() {
    const { acl } = this.page;
    replace(this.acl, JSON.stringify(acl), () => h("ul", { class: "plain" }, acl.map((each) => h("li", {}, aclText(each)))));
  }

  drawWatchers(found) {
    replace(this.watchers, JSON.stringify([this.path, found]), () => {
      if (!found) return [];
      return [
        h("h3", {}, "Watched by"),
        found.total
          ? h(
              "ul",
              { class: "plain" },
              found.watches.map((each) =>
                h("li", {}, button(each.session, () => this.find(each.session), { class: "link" }), `: ${watchText(each)}`),
              ),
              found.total > found.watches.length && h("li", {}, `and ${number(found.total - found.watches.length)} more`),
            )
          : h("p", { class: "none" }, "Nobody."),
      ];
    });
  }
}

/** What a watch waits for. */
export function watchText({ table, mode }) {
  if (mode === "recursive") return "it and all below it, until it is removed";
  const what = table === "child" ? "its children" : "its data, and whether it is there";
  return `${what}${mode === "persistent" ? ", until it is removed" : ", once"}`;
}

function aclText(entry) {
  const [scheme, permissions] = [entry.slice(0, entry.indexOf(":")), entry.slice(entry.lastIndexOf(":") + 1)];
  const who = entry.slice(scheme.length + 1, entry.length - permissions.length - 1);
  const may = [...permissions].map((each) => PERMISSIONS[each] ?? each);
  const words = may.length === 5 ? "may do everything" : may.length ? `may ${may.join(", ")}` : "may do nothing";
  const name = scheme === "world" && who === "anyone" ? "anyone" : visible(`${scheme} ${who}`);
  return [h("strong", {}, name), ` ${words} `, h("code", { class: "dim" }, visible(entry))];
}
