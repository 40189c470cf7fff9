/* The servers: who leads, what each has applied, and what can be done to each. */

import { ask, get } from "./api.js";
import { button, h, replace, table, tell } from "./dom.js";
import { Polled } from "./polled.js";
import { counted, number, zxidText } from "./words.js";

// The fault, what begins it, what ends it, and whether it needs other servers.
const SWITCHES = [
  ["stop_server", "Stop", "Start", false, {}],
  ["isolate", "Isolate", "Reconnect", true, { way: "both" }],
  ["pause_server", "Pause", "Resume", false, {}],
  ["freeze", "Freeze", "Unfreeze", true, {}],
  ["lag", "Lag by 5 s", "Catch up", true, { lag: [5, 5] }],
];

export class ServersView extends Polled {
  title = "Servers";

  constructor() {
    super();
    this.place = h("div", { id: "servers" });
    this.element = h("div", { class: "page" }, h("h2", {}, "Servers"), this.place);
  }

  async read() {
    const [found, { faults }] = await Promise.all([get("/servers"), get("/faults")]);
    const inForce = faults.filter((each) => !each.over);
    replace(this.place, JSON.stringify([found, inForce]), () => this.draw(found, inForce));
  }

  draw(found, faults) {
    const many = found.servers.length > 1;
    const leader = found.leader === null ? "Nobody leads: there is no quorum." : `Server ${found.leader} leads.`;
    const heads = ["Server", "Address", "Role", "Zxid", "Lag", "Connections", "Watches", "State", ""];
    const rows = found.servers.map((each) => [
      h("strong", {}, each.server),
      each.hosts + (each.secure_hosts ? `, TLS ${each.secure_hosts}` : ""),
      each.mode === null ? h("span", { class: "warning" }, "serves nobody") : h("span", { class: each.mode }, each.mode),
      zxidText(each.zxid) + (each.zxid === found.last_zxid ? "" : ", behind"),
      each.lag ? `${number(each.lag)} s` : "none",
      number(each.connections),
      number(each.watches),
      this.state(each),
      h(
        "span",
        { class: "buttons" },
        SWITCHES.filter(([, , , several]) => many || !several).map((each_) => this.toggle(each, each_, faults)),
      ),
    ]);
    return [
      h("p", {}, `ZooKeeper ${found.version}, ${counted(found.servers.length, "server")}. ${many ? leader : ""} Last zxid ${zxidText(found.last_zxid)}.`),
      h("p", {}, "Connect string: ", h("code", {}, found.hosts)),
      table("Servers", heads, rows, ""),
      many && h("p", { class: "dim" }, "To have another leader, stop or isolate the one that leads: the others elect one."),
      h("p", {}, button("End all faults", () => this.endAll(), { "data-key": "end all" })),
    ];
  }

  state({ running, paused, frozen }) {
    const words = [!running && "stopped", paused && "paused", frozen && "frozen"].filter(Boolean);
    return words.length ? h("span", { class: "warning" }, words.join(", ")) : "runs";
  }

  toggle({ server, running }, [fault, begin, end, , rest], faults) {
    const own = faults.filter((each) => each.fault === fault && each.arguments.server === server);
    const properties = (text) => ({ "data-key": `${fault} ${server}`, "aria-label": `${text} server ${server}` });
    if (own.length) return button(end, () => this.end(own), { ...properties(end), class: "in-force" });
    const stopped = fault === "stop_server" && !running;
    return button(begin, () => this.begin({ fault, server, ...rest }), {
      ...properties(begin),
      disabled: stopped,
      title: stopped ? "It was not stopped here. End all faults to start it." : null,
    });
  }

  async begin(body) {
    await ask("POST", "/faults", { body });
    await this.again();
  }

  async end(faults) {
    for (const { number: each } of faults) await ask("DELETE", `/faults/${each}`);
    await this.again();
  }

  async endAll() {
    await ask("DELETE", "/faults");
    tell("All faults have ended.");
    await this.again();
  }
}
