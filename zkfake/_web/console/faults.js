/* Faults as buttons, and those that were begun. */

import { ask, get } from "./api.js";
import { button, field, h, replace, select, table, tell } from "./dom.js";
import { Polled } from "./polled.js";
import { counted, visible } from "./words.js";

const OPERATIONS = [
  "create", "delete", "setData", "getData", "exists", "getChildren", "getChildren2", "multi", "sync", "check", "getACL", "setACL",
  "setWatches", "addWatch", "removeWatches", "closeSession", "connect",
];

const RULE = ["client", "operation", "path", "nth", "times"];

/* A name of the endpoint, what the button says, what it does, and the fields that it takes. */
const GROUPS = [
  ["A request", ["client", "operation", "path", "nth", "times"], [
    ["drop_before_reply", "Lose the reply", "It is carried out, and the connection breaks before the answer.", RULE],
    ["drop_before_request", "Lose the request", "The connection breaks before the servers have it.", RULE],
    ["drop_after_reply", "Break after the reply", "The connection breaks right after the answer.", RULE],
  ]],
  ["A client", ["client", "latency", "duration"], [
    ["drop", "Break the connection", "Once, now.", ["client"]],
    ["expire", "Expire the session", "Needs a client.", ["client"]],
    ["partition", "Cut off", "Nothing gets through, either way.", ["client", "duration"]],
    ["slow", "Slow", "Each message takes the latency.", ["client", "latency", "duration"]],
    ["hold_events", "Hold watch events", "From the next one on nothing arrives. Needs a client.", ["client", "duration"]],
    ["lose_pings", "Lose pings", "The answers to pings are lost.", ["client", "duration"]],
  ]],
  ["A server", ["server", "other", "range", "seconds", "duration"], [
    ["stop_server", "Stop", "Its connections break.", ["server", "duration"]],
    ["cut_power", "Cut the power", "What its disk did not have is lost.", ["server", "duration"]],
    ["pause_server", "Pause", "As SIGSTOP does.", ["server", "duration"]],
    ["mute_server", "Mute", "Accepts new connections, and never answers.", ["server", "duration"]],
    ["lose_quorum", "Lose the quorum", "Servers stop until nobody can lead.", ["duration"]],
    ["isolate", "Isolate", "Cut off from all other servers.", ["server", "duration"]],
    ["freeze", "Freeze", "Applies no more transactions.", ["server", "duration"]],
    ["lag", "Lag", "Applies each transaction late, by the delay.", ["server", "range:lag", "duration"]],
    ["slow_disk", "Slow the disk", "Each sync takes the delay.", ["server", "range:sync_time", "duration"]],
    ["skew_clock", "Skew the clock", "Forward, or back, by the seconds.", ["server", "seconds", "duration"]],
    ["partition_servers", "Cut the link", "Between the server and the other one.", ["server:one", "other", "duration"]],
    ["slow_servers", "Slow the link", "Each message between both takes the delay.", ["server:one", "other", "range:latency", "duration"]],
  ]],
];

const positive = (name, value, properties = {}) => h("input", { type: "number", name, value, min: "0", step: "any", ...properties });

/** The fields of a group. Each gives its part of the body; nothing where it is empty. */
class Fields {
  constructor(names) {
    this.controls = {};
    this.elements = names.map((name) => this.make(name));
  }

  make(name) {
    const add = (label, control, hint) => {
      this.controls[name] = control;
      return field(label, control, hint);
    };
    if (name === "client") return add("Client", select([["", "any client"]], { name }));
    if (name === "server") return add("Server", select([["", "the leader"]], { name }));
    if (name === "other") return add("Other server", select([], { name }));
    if (name === "operation") return add("Operation", select([["", "any"], ...OPERATIONS.map((each) => [each, each])], { name }));
    if (name === "path") return add("Path", h("input", { name, placeholder: "any; /orders/*" }));
    if (name === "nth") return add("The n-th", positive(name, "1", { min: "1", step: "1" }));
    if (name === "times") return add("Times", positive(name, "1", { min: "1", step: "1" }), "Empty: always");
    if (name === "latency") return add("Latency, seconds", positive(name, "1"));
    if (name === "range") return add("Delay, seconds", positive(name, "1"));
    if (name === "seconds") return add("Clock, seconds", h("input", { type: "number", name, value: "60", step: "any" }));
    return add("Ends after, seconds", positive(name, ""), "Empty: when it is ended");
  }

  /** `wanted`: names of fields, `field:name` where the endpoint calls it otherwise. */
  body(wanted) {
    const body = {};
    for (const each of wanted) {
      const [name, own = name] = each.split(":");
      const control = this.controls[name];
      if (!control.reportValidity()) throw new Error("A field is not filled in as it has to be.");
      const { value } = control;
      if (name === "times") body.times = value === "" ? null : Number(value);
      else if (value === "") continue;
      else if (name === "latency" || name === "range") body[own] = [Number(value), Number(value)];
      else if (name === "client" || name === "operation" || name === "path") body[own] = value;
      else body[own] = Number(value);
    }
    return body;
  }

  /** Other clients and servers are there. What is chosen stays, as long as it is there. */
  offer(sessions, servers, leader) {
    const clients = sessions.map((each) => [each.session, `${each.session}${each.address ? `, ${each.address}` : ""}`]);
    const numbers = servers.map((each) => [String(each.server), `server ${each.server}`]);
    this.options("client", [["", "any client"], ...clients]);
    this.options("server", servers.length > 1 ? [["", leader], ...numbers] : numbers);
    this.options("other", numbers);
  }

  options(name, options) {
    const control = this.controls[name];
    const key = JSON.stringify(options);
    if (!control || control.shownKey === key) return;
    const { value } = control;
    control.shownKey = key;
    control.replaceChildren(...options.map(([each, text]) => h("option", { value: each }, text)));
    if (options.some(([each]) => each === value)) control.value = value;
  }
}

export class FaultsView extends Polled {
  title = "Faults";

  constructor() {
    super();
    this.begun = h("div", { id: "begun" });
    this.fields = [];
    const [ofRequests, ofClients, ofServers] = GROUPS;
    this.element = h(
      "div",
      { class: "page" },
      h("h2", {}, "Faults that were begun"),
      this.begun,
      h("h2", {}, "Begin a fault"),
      h("div", { class: "groups" }, h("div", {}, this.group(...ofRequests), this.group(...ofClients)), this.group(...ofServers)),
    );
  }

  group(title, names, buttons) {
    const fields = new Fields(names);
    this.fields.push(fields);
    return h(
      "fieldset",
      {},
      h("legend", {}, title),
      h("div", { class: "fields" }, fields.elements),
      h(
        "ul",
        { class: "plain faults" },
        buttons.map(([fault, text, words, wanted]) =>
          h(
            "li",
            {},
            button(text, () => this.begin({ fault, ...fields.body(wanted) }), { name: fault, "aria-describedby": `about-${fault}` }),
            h("span", { class: "dim", id: `about-${fault}` }, words),
          ),
        ),
      ),
    );
  }

  async begin(body) {
    const begun = await ask("POST", "/faults", { body });
    if (begun.over) tell(begun.struck ? `Done: ${counted(begun.struck, "time")}.` : "There was nothing to strike.");
    else tell(`Fault ${begun.number} is in force.`);
    await this.again();
  }

  async read() {
    const [{ faults }, { sessions }, found] = await Promise.all([get("/faults"), get("/sessions", { limit: 200 }), get("/servers")]);
    const leader = found.leader === null ? "the leader" : `the leader (${found.leader})`;
    for (const each of this.fields) each.offer(sessions, found.servers, leader);
    replace(this.begun, JSON.stringify(faults), () => [
      this.table(faults),
      h("p", {}, button("End all faults", () => this.end("/faults"), { "data-key": "end all" })),
    ]);
  }

  table(faults) {
    const rows = [...faults].reverse().map((each) => [
      each.number,
      [h("strong", {}, title(each.fault)), h("div", { class: "dim" }, visible(argumentsText(each.arguments)))],
      each.over ? h("span", { class: "dim" }, "over") : h("span", { class: "warning" }, "in force"),
      each.struck ? counted(each.struck, "time") : "not yet",
      h("ul", { class: "plain" }, each.hits.slice(-5).map((hit) => h("li", {}, visible(hit)))),
      button("End", () => this.end(`/faults/${each.number}`), {
        disabled: each.over,
        "aria-label": `End fault ${each.number}`,
        "data-key": `end ${each.number}`,
      }),
    ]);
    return table("Faults", ["Fault", "What", "State", "Struck", "Hits", ""], rows, "None so far.");
  }

  async end(path) {
    await ask("DELETE", path);
    await this.again();
  }
}

const title = (fault) => GROUPS.flatMap(([, , buttons]) => buttons).find(([name]) => name === fault)?.[1] ?? fault;

const argumentsText = (values) =>
  Object.entries(values)
    .map(([name, value]) => `${name.replace("_", " ")} ${value === null ? "any" : Array.isArray(value) ? [...new Set(value)].join(" to ") : value}`)
    .join(", ");
