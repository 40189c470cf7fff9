/* The data of a znode: bytes, and as text, JSON or hex. */

import { button, h, replace } from "./dom.js";
import { counted, number, visible } from "./words.js";

const MOST_TEXT = 100_000; // characters that are shown at first
const MOST_HEX = 16_384; // bytes
const DEEPEST = 100; // levels of JSON that are indented: the indents of very many would fill the memory
const MOST_OPENED = 16 << 20; // bytes that a compressed one may have

/** The bytes of data as the endpoint has it; null where there is none. */
export function bytesOf(data) {
  if (data === null) return null;
  if ("text" in data) return new TextEncoder().encode(data.text);
  return Uint8Array.from(atob(data.base64), (each) => each.charCodeAt(0));
}

/** Data for the endpoint. */
export function dataOf(bytes) {
  let text = "";
  for (let start = 0; start < bytes.length; start += 0x8000) {
    text += String.fromCharCode(...bytes.subarray(start, start + 0x8000));
  }
  return { base64: btoa(text) };
}

/** The text of bytes; null where they are not UTF-8. */
export function textOf(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

const isGzip = (bytes) => bytes.length > 2 && bytes[0] === 0x1f && bytes[1] === 0x8b;

/** What a gzip has in it; null where it is none, or very big. */
export async function opened(bytes) {
  if (!isGzip(bytes)) return null;
  const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip")).getReader();
  const parts = [];
  let size = 0;
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      parts.push(value);
      size += value.length;
      if (size > MOST_OPENED) return null;
    }
  } catch {
    return null;
  } finally {
    reader.cancel().catch(() => {});
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/** A JSON text with lines and indents; null where it is no JSON, or very deep. Numbers and strings
stay as they are written: JSON.parse would round the big ones, and drop keys that are there twice. */
export function indented(text) {
  try {
    const value = JSON.parse(text);
    if (typeof value !== "object" || value === null) return null;
  } catch {
    return null;
  }
  let result = "";
  let level = 0;
  const line = () => `\n${"  ".repeat(level)}`;
  const tokens = text.match(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g);
  for (const [index, token] of tokens.entries()) {
    const following = tokens[index + 1];
    if (token === "{" || token === "[") {
      level += 1;
      if (level > DEEPEST) return null;
      result += token;
      if (following !== "}" && following !== "]") result += line();
    } else if (token === "}" || token === "]") {
      level -= 1;
      const empty = tokens[index - 1] === "{" || tokens[index - 1] === "[";
      result += (empty ? "" : line()) + token;
    } else if (token === ",") result += token + line();
    else result += token === ":" ? ": " : token;
  }
  return result;
}

/** Lines of 16 bytes: where, the bytes, and what is ASCII of them. */
export function hexLines(bytes) {
  const lines = [];
  for (let start = 0; start < bytes.length; start += 16) {
    const row = bytes.subarray(start, start + 16);
    const codes = Array.from(row, (each) => each.toString(16).padStart(2, "0")).join(" ");
    const signs = Array.from(row, (each) => (each > 31 && each < 127 ? String.fromCharCode(each) : ".")).join("");
    lines.push(`${start.toString(16).padStart(8, "0")}  ${codes.padEnd(47)}  ${signs}`);
  }
  return lines.join("\n");
}

/** Bytes as pairs of hexadecimal digits. */
export const hexOf = (bytes) =>
  Array.from(bytes, (each, index) => each.toString(16).padStart(2, "0") + (index % 16 === 15 ? "\n" : " ")).join("").trim();

/** The bytes that a hexadecimal text means. Throws an `Error`. */
export function bytesOfHex(text) {
  const digits = text.replace(/\s+/g, "");
  if (!/^(?:[0-9a-fA-F]{2})*$/.test(digits)) throw new Error("Hex has two digits (0-9, a-f) for each byte.");
  return Uint8Array.from(digits.match(/../g) ?? [], (each) => parseInt(each, 16));
}

/** Shows data in a place of the page. What was chosen holds for the next znode, if it can. */
export class DataView {
  constructor() {
    this.wanted = null; // text, json or hex
    this.unpacked = true;
    this.element = h("div", { class: "data" });
  }

  async show(data) {
    const key = JSON.stringify(data);
    if (key === this.asked) return;
    this.asked = key;
    const bytes = bytesOf(data);
    const inside = bytes && (await opened(bytes));
    if (this.asked !== key) return; // other data is to be shown by now
    Object.assign(this, { key, bytes, inside, whole: false });
    this.draw();
  }

  draw() {
    const { bytes, inside } = this;
    if (bytes === null) {
      return replace(this.element, "none", () => h("p", { class: "none" }, "No data at all (null)."));
    }
    const shown = inside && this.unpacked ? inside : bytes;
    const text = textOf(shown);
    const json = text === null ? null : indented(text);
    const kinds = [
      ["text", "Text", text !== null],
      ["json", "JSON", json !== null],
      ["hex", "Hex", true],
    ];
    const can = kinds.filter(([, , possible]) => possible).map(([kind]) => kind);
    const kind = can.includes(this.wanted) ? this.wanted : json !== null ? "json" : can[0];
    const key = JSON.stringify([this.key, kind, this.unpacked, this.whole]);
    return replace(this.element, key, () => [
      h(
        "p",
        { class: "bar" },
        h(
          "span",
          { role: "group", "aria-label": "Show data as", class: "choice" },
          kinds.map(([name, title, possible]) =>
            button(title, () => this.set({ wanted: name }), {
              "aria-pressed": String(name === kind),
              disabled: !possible,
              "data-key": name,
            }),
          ),
        ),
        inside &&
          h(
            "label",
            { class: "check" },
            h("input", {
              type: "checkbox",
              checked: this.unpacked,
              "data-key": "gzip",
              onchange: (event) => this.set({ unpacked: event.target.checked }),
            }),
            `gzip: ${counted(bytes.length, "byte")}, ${number(inside.length)} in it`,
          ),
        !inside && isGzip(bytes) && h("span", { class: "dim" }, "begins like gzip, and cannot be opened"),
      ),
      this.content(kind, shown, kind === "json" ? json : text),
    ]);
  }

  set(values) {
    Object.assign(this, values);
    this.draw();
  }

  content(kind, bytes, text) {
    if (!bytes.length) return h("p", { class: "none" }, "Empty: a text of no characters.");
    const hex = kind === "hex";
    const size = hex ? bytes.length : text.length;
    const most = this.whole ? size : hex ? MOST_HEX : MOST_TEXT;
    const part = hex ? hexLines(bytes.subarray(0, most)) : visible(text.slice(0, most), true);
    return [
      h("pre", { id: "data", tabindex: "0", "aria-label": `Data as ${kind}`, class: kind }, part),
      size > most &&
        h(
          "p",
          {},
          `The first ${number(most)} of ${counted(size, hex ? "byte" : "character")}. `,
          button("Show all", () => this.set({ whole: true }), { "data-key": "all" }),
        ),
    ];
  }
}
