/* What is done to znodes: dialogs, and the requests behind them. */

import { ask, get, getText } from "./api.js";
import { bytesOf, bytesOfHex, dataOf, hexOf, textOf } from "./data.js";
import { dialog, field, h, select, tell } from "./dom.js";
import { moment } from "./moment.js";
import { counted, number, visible, zxidText } from "./words.js";

const below = (path, name) => `${path === "/" ? "" : path}/${name}`;

/** A field for data, as text or hex. `get()` is data for the endpoint; it throws an `Error`. */
function dataField(data) {
  const bytes = bytesOf(data);
  const text = bytes && textOf(bytes);
  // A text field makes one line feed of the two characters, so it cannot have them.
  const asText = bytes === null || (text !== null && !text.includes("\r"));
  const area = h("textarea", { rows: "8", spellcheck: "false", name: "data", "aria-label": "Data" });
  const kind = select(
    [
      ["text", "Text"],
      ["hex", "Hex"],
      ["null", "No data at all (null)"],
    ],
    { name: "as", onchange: () => turn() },
  );
  const note = h("small", {});
  let shown = (kind.value = bytes === null ? "null" : asText ? "text" : "hex");
  area.value = bytes === null ? "" : asText ? text : hexOf(bytes);
  area.disabled = shown === "null";
  if (!asText) note.textContent = "In hex, as a text field would change it.";

  function value() {
    if (shown === "null") return null;
    return shown === "hex" ? bytesOfHex(area.value) : new TextEncoder().encode(area.value);
  }

  function turn() {
    let now;
    note.textContent = "";
    try {
      now = value() ?? new Uint8Array();
      const inText = textOf(now);
      if (kind.value === "text" && (inText === null || inText.includes("\r"))) {
        throw new Error("It cannot be edited as text: it is not UTF-8, or has carriage returns.");
      }
      if (kind.value !== "null") area.value = kind.value === "hex" ? hexOf(now) : inText;
      shown = kind.value;
    } catch (error) {
      note.textContent = error.message;
      kind.value = shown;
    }
    area.disabled = shown === "null";
  }

  return {
    element: [field("Data as", kind), area, note],
    get: () => (shown === "text" ? { text: area.value } : shown === "hex" ? dataOf(value()) : null),
  };
}

const KINDS = [
  ["persistent", "Persistent"],
  ["sequential", "Sequential: a number is added to the name"],
  ["container", "Container: deleted when its last child is"],
  ["ttl", "With a time to live"],
];

/** Creates a znode below another one. */
export function create(page, go) {
  const name = h("input", { name: "name", required: true, autocomplete: "off", autofocus: true });
  const data = dataField({ text: "" });
  const ttl = h("input", { type: "number", name: "ttl", min: "1", value: "60000" });
  const ttlField = field("Time to live, in milliseconds", ttl);
  ttlField.hidden = true;
  const kind = select(KINDS, { name: "kind", onchange: () => (ttlField.hidden = kind.value !== "ttl") });
  const acl = h("textarea", { name: "acl", rows: "2", spellcheck: "false" });
  acl.value = "world:anyone:cdrwa";
  const parents = h("input", { type: "checkbox", name: "parents" });
  dialog(
    "Create a znode",
    [
      h("p", {}, "Below ", h("code", {}, visible(page.path))),
      field("Name", name, "With slashes it is deeper down."),
      h("label", { class: "check" }, parents, "Create missing parents"),
      field("Kind", kind),
      ttlField,
      data.element,
      field("ACL: scheme:id:permissions, one on each line", acl),
    ],
    "Create",
    async () => {
      const made = await ask("POST", "/tree", {
        body: {
          path: below(page.path, name.value),
          data: data.get(),
          acl: acl.value.split("\n").filter((each) => each.trim()),
          sequential: kind.value === "sequential",
          container: kind.value === "container",
          ttl: kind.value === "ttl" ? Number(ttl.value) : null,
          parents: parents.checked,
        },
      });
      tell(`Created ${made.path}.`);
      await go(made.path, true);
    },
  );
}

/** Edits the data of a znode, if it has not changed since it was shown. */
export function edit(page) {
  const data = dataField(page.data);
  let { version } = page.stat;
  const told = h("p", {}, `Version ${number(version)}, which is checked.`);
  const { confirm } = dialog(
    "Edit data",
    [h("p", {}, h("code", {}, visible(page.path))), told, data.element],
    "Save",
    async (problem) => {
      try {
        const written = await ask("PUT", "/tree", { body: { path: page.path, data: data.get(), version } });
        tell(`Saved ${page.path}: version ${written.version}.`);
      } catch (error) {
        if (error.status === 409) await conflict(problem);
        throw error;
      }
    },
  );

  /** Says what is there now, if it has changed; another confirmation saves over it. */
  async function conflict(problem) {
    const now = await get("/tree", { path: page.path, limit: 0 });
    if (now.stat.version === version) return; // it was refused for another reason
    const bytes = bytesOf(now.data);
    const text = bytes && textOf(bytes);
    problem.append(
      h("p", {}, `Somebody has changed it since you began: it had version ${version}, and has version ${now.stat.version} now. Nothing was saved.`),
      h("p", {}, "It has now:"),
      h("pre", {}, bytes === null ? "No data at all (null)" : text === null ? hexOf(bytes) : visible(text.slice(0, 10_000), true)),
    );
    version = now.stat.version;
    told.textContent = `Version ${number(version)}, which is checked.`;
    confirm.textContent = "Save over it";
  }
}

/** Deletes a znode; or all that is there and below, once it was counted. */
export async function remove(page, go) {
  const { path } = page;
  let found = await get("/count", { path });
  const told = h("p", {});
  const tellCount = () => {
    const parts = [`${counted(found.znodes, "znode")} with ${counted(found.data_length, "byte")} of data`];
    if (found.ephemerals) parts.push(`${counted(found.ephemerals, "ephemeral")} among them`);
    told.textContent = found.znodes === 1 ? "It has no children." : `It and all below it: ${parts.join(", ")}.`;
    confirm.textContent = found.znodes === 1 ? "Delete" : `Delete ${counted(found.znodes, "znode")}`;
  };
  const { confirm } = dialog(
    "Delete a znode",
    [h("p", {}, h("code", {}, visible(path))), told, h("p", {}, "It cannot be undone; the slider still shows what was.")],
    "Delete",
    async (problem) => {
      const query = found.znodes === 1 ? { path, version: page.stat.version } : { path, znodes: found.znodes };
      try {
        const done = await ask("DELETE", "/tree", { query });
        tell(`Deleted ${counted(done.znodes, "znode")}.`);
        await go(path.slice(0, path.lastIndexOf("/")) || "/", true);
      } catch (error) {
        if (error.status === 409) {
          problem.append(h("p", {}, error.message), h("p", {}, "Nothing was deleted; it was counted anew."));
          found = await get("/count", { path });
          page = await get("/tree", { path, limit: 0 });
          tellCount();
        }
        throw error;
      }
    },
  );
  tellCount();
}

/** Copies a znode and all below it. */
export function copy(page, go) {
  const target = h("input", { name: "target", required: true, autocomplete: "off", autofocus: true });
  target.value = `${page.path}-copy`;
  dialog(
    "Copy a znode and all below it",
    [h("p", {}, h("code", {}, visible(page.path))), field("To", target, "Where nothing is so far.")],
    "Copy",
    async () => {
      const done = await ask("POST", "/copy", { body: { source: page.path, target: target.value } });
      const skipped = done.skipped ? `; ${counted(done.skipped, "ephemeral")} left out` : "";
      tell(`Copied ${counted(done.znodes, "znode")}${skipped}.`);
      await go(target.value, true);
    },
  );
}

/** Saves a znode and all below it, at the moment that is shown, as a tree file. */
export async function exportTree(path) {
  const { at } = moment;
  const text = await getText("/export", { path, at });
  const address = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  const name = path.slice(path.lastIndexOf("/") + 1).replace(/[^\w.-]+/g, "_") || "zookeeper";
  h("a", { href: address, download: `${name}${at === null ? "" : `-${zxidText(at)}`}.json` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
  tell(`Exported ${counted(Object.keys(JSON.parse(text)).length, "znode")}.`);
}
