/* Sessions with what they hold, connections, and who watches what. */

import { ask, get } from "./api.js";
import { attempt, button, field, h, replace, table, tell } from "./dom.js";
import { Polled } from "./polled.js";
import { counted, number, seconds, visible } from "./words.js";
import { watchText } from "./znode.js";

const PAGE = 50;
const FEW = 5; // ephemerals that are listed at first

/** A list of many pages. */
class Pages {
  constructor(name, route, redraw) {
    Object.assign(this, { name, route, offset: 0, key: "" });
    this.place = h("div", { id: route.slice(1) });
    this.turn = (by) => {
      this.offset = Math.max(0, this.offset + by);
      return redraw();
    };
  }

  async read(query, content) {
    const found = await get(this.route, { ...query, offset: this.offset, limit: PAGE });
    if (this.offset && this.offset >= found.total) {
      this.offset = Math.max(0, Math.ceil(found.total / PAGE) * PAGE - PAGE);
      return this.read(query, content);
    }
    const key = JSON.stringify([found, this.offset, this.key]);
    return replace(this.place, key, () => [content(found), this.pager(found.total)]);
  }

  pager(total) {
    if (total <= PAGE) return null;
    const last = Math.min(total, this.offset + PAGE);
    return h(
      "p",
      { class: "bar" },
      button("Before", () => this.turn(-PAGE), { disabled: !this.offset, "data-key": `${this.name} before` }),
      button("After", () => this.turn(PAGE), { disabled: last >= total, "data-key": `${this.name} after` }),
      `${number(this.offset + 1)} to ${number(last)} of ${number(total)}`,
    );
  }
}

export class ClientsView extends Polled {
  title = "Clients";

  /** `go(path)` shows a znode. */
  constructor(go) {
    super();
    this.go = go;
    this.whole = new Set(); // sessions whose ephemerals are all listed
    this.marked = null;
    const redraw = () => this.again();
    this.sessions = new Pages("sessions", "/sessions", redraw);
    this.connections = new Pages("connections", "/connections", redraw);
    this.watches = new Pages("watches", "/watches", redraw);
    this.path = h("input", { type: "search", name: "watched", oninput: redraw });
    this.session = h("input", { type: "search", name: "watching", oninput: redraw });
    this.element = h(
      "div",
      { class: "page" },
      h("h2", {}, "Sessions"),
      this.sessions.place,
      h("h2", {}, "Connections"),
      this.connections.place,
      h("h2", { id: "watches-title" }, "Watches"),
      h("p", { class: "bar" }, field("On the path", this.path), field("Of session", this.session)),
      this.watches.place,
    );
  }

  async read() {
    await Promise.all([
      this.sessions.read({}, (found) => this.sessionTable(found)),
      this.connections.read({}, (found) => this.connectionTable(found)),
      this.readWatches(),
    ]);
  }

  async readWatches() {
    const session = this.session.value.trim();
    const known = /^(0x[0-9a-fA-F]{1,16}|-?[0-9]{1,19})$/.test(session);
    if (session && !known) {
      return replace(this.watches.place, "no session", () => h("p", { class: "none" }, "A session is a number such as 0x100000abc0001."));
    }
    const query = { path: this.path.value || null, session: session || null };
    return this.watches.read(query, (found) => this.watchTable(found));
  }

  /** Shows a session, and what it watches. */
  async find(session) {
    this.marked = session;
    this.sessions.key = session;
    this.session.value = session;
    this.path.value = "";
    await this.again();
    this.sessions.place.querySelector(".marked")?.scrollIntoView({ block: "center" });
  }

  sessionTable({ sessions }) {
    const heads = ["Session", "Address", "Server", "Timeout", "Ephemerals", "Watches", ""];
    const rows = sessions.map((each) => [
      h("code", { class: each.session === this.marked ? "marked" : null }, each.session),
      each.address ?? h("span", { class: "warning" }, "not connected"),
      each.server,
      seconds(each.timeout),
      this.ephemerals(each),
      each.watches
        ? button(number(each.watches), () => this.watchesOf(each.session), {
            class: "link",
            "aria-label": `${counted(each.watches, "watch", "watches")} of session ${each.session}`,
            "data-key": `watches ${each.session}`,
          })
        : "0",
      button("Expire", () => this.strike("expire", each.session, "has expired"), {
        "aria-label": `Expire session ${each.session}`,
        "data-key": `expire ${each.session}`,
      }),
    ]);
    return table("Sessions", heads, rows, "No sessions.");
  }

  ephemerals({ session, ephemerals }) {
    if (!ephemerals.length) return h("span", { class: "dim" }, "none");
    const listed = this.whole.has(session) ? ephemerals : ephemerals.slice(0, FEW);
    return h(
      "ul",
      { class: "plain" },
      listed.map((path) => h("li", {}, this.link(path, `ephemeral ${path}`))),
      ephemerals.length > listed.length &&
        h("li", {}, button(`All ${number(ephemerals.length)}`, () => this.showWhole(session), { "data-key": `all ${session}` })),
    );
  }

  showWhole(session) {
    this.whole.add(session);
    this.sessions.key += ` ${session}`;
    return this.again();
  }

  watchesOf(session) {
    this.session.value = session;
    this.path.value = "";
    document.getElementById("watches-title").scrollIntoView();
    return this.again();
  }

  connectionTable({ connections }) {
    const heads = ["Address", "Session", "Server", "Who", "Packets received", "sent", ""];
    const rows = connections.map((each) => [
      each.address,
      each.session === null ? h("span", { class: "dim" }, "none yet") : h("code", {}, each.session),
      each.server,
      each.ids.map((id) => h("div", {}, visible(id))),
      number(each.received),
      number(each.sent),
      button("Drop", () => this.strike("drop", each.session, "has lost its connection"), {
        disabled: each.session === null,
        "aria-label": `Drop the connection of ${each.address}`,
        "data-key": `drop ${each.address}`,
      }),
    ]);
    return table("Connections", heads, rows, "No connections.");
  }

  watchTable({ watches }) {
    const heads = ["Path", "Session", "Server", "Waits for"];
    const rows = watches.map((each, index) => [
      this.link(each.path, `watch ${index}`),
      h("code", {}, each.session),
      each.server,
      watchText(each),
    ]);
    return table("Watches", heads, rows, "No watches.");
  }

  link(path, key) {
    return button(visible(path), () => this.go(path), { class: "link", "data-key": key });
  }

  async strike(fault, session, done) {
    const { struck } = await ask("POST", "/faults", { body: { fault, client: session } });
    tell(struck ? `Session ${session} ${done}.` : `Session ${session} has none any more.`);
    await attempt(() => this.read());
  }
}
