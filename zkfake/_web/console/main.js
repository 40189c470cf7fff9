/* The console: its views, the token, and what stands above them all. */

import { get, hasToken, onNoToken, setToken, takeToken } from "./api.js";
import { ClientsView } from "./clients.js";
import { attempt, field, h, tell } from "./dom.js";
import { FaultsView } from "./faults.js";
import * as live from "./live.js";
import { LogView } from "./log.js";
import * as moments from "./moment.js";
import { ServersView } from "./servers.js";
import { TreeView } from "./treeview.js";

const main = document.getElementById("main");
const nav = document.getElementById("views");
const state = document.getElementById("state");

const views = {
  tree: new TreeView((session) => attempt(() => goToSession(session))),
  clients: new ClientsView((path) => attempt(() => goToZnode(path))),
  servers: new ServersView(),
  faults: new FaultsView(),
  log: new LogView(),
};
let current = null;

async function goToSession(session) {
  select("clients");
  await views.clients.find(session);
}

async function goToZnode(path) {
  select("tree");
  await views.tree.go(path);
}

/** Shows a view. Its name stays in the address, so the browser goes back to it. */
function select(name) {
  if (current === name) return;
  views[current]?.hide?.();
  current = name;
  if (location.hash !== `#${name}`) location.hash = name;
  for (const link of nav.children) {
    if (link.dataset.view === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  main.replaceChildren(views[name].element);
  main.scrollTop = 0;
  document.title = `zkfake: ${views[name].title}`;
  attempt(async () => views[name].show());
}

const asked = () => (location.hash.slice(1) in views ? location.hash.slice(1) : "tree");

function drawState() {
  const { last } = moments.moment;
  state.replaceChildren(
    h("span", { class: live.connected ? "dot on" : "dot", "aria-hidden": "true" }),
    live.connected ? `connected, zxid 0x${last.toString(16)}` : "zkfake does not answer",
  );
}

/** Asks for the token. */
function gate(sentence) {
  if (nav.hidden && main.querySelector(".gate .problem")) return; // whoever types is not disturbed
  views[current]?.hide?.();
  nav.hidden = true;
  current = null;
  const input = h("input", { type: "password", name: "token", required: true, autocomplete: "off" });
  main.replaceChildren(
    h(
      "form",
      {
        class: "gate",
        onsubmit: (event) => {
          event.preventDefault();
          setToken(input.value.trim());
          attempt(begin);
        },
      },
      h("h2", {}, "Token"),
      sentence && h("p", { class: "problem", role: "alert" }, sentence),
      h("p", {}, "zkfake prints it at its start: it is what follows ", h("code", {}, "#token="), " in the address of the console."),
      field("Token", input),
      h("button", { type: "submit", class: "main" }, "Open"),
    ),
  );
  input.focus();
}

let begun = false;

async function begin() {
  await get("/servers"); // a wrong token is told before anything else
  nav.hidden = false;
  if (!begun) {
    begun = true;
    live.follow(drawState);
    moments.onKnown(drawState);
    await moments.begin();
    await live.begin();
  }
  await views.tree.begin();
  select(asked());
}

for (const [name, { title }] of Object.entries(views)) {
  nav.append(h("a", { href: `#${name}`, "data-view": name }, title));
}

addEventListener("hashchange", () => {
  if (takeToken()) location.reload();
  else if (current !== null) select(asked());
});

onNoToken((sentence) => gate(sentence));
takeToken();
if (hasToken()) {
  begin().catch((error) => error.status !== 401 && tell(error.message, true));
} else gate("");
