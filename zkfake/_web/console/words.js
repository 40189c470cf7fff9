/* Values in words: sizes, times, zxids, and texts whose control characters are seen. */

import { h } from "./dom.js";

const digits = new Intl.NumberFormat("en");

export const number = (value) => digits.format(value);

export const counted = (value, one, many = `${one}s`) => `${number(value)} ${value === 1 ? one : many}`;

export const zxidText = (zxid) => `0x${zxid.toString(16)}`;

/** A time, in the zone of the browser; the title has it in UTC. */
export function time(ms) {
  const date = new Date(ms);
  if (Number.isNaN(date.getTime())) return h("span", {}, `${ms} ms`);
  const two = (value, width = 2) => String(value).padStart(width, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  const text = `${day} ${clock}.${two(date.getMilliseconds(), 3)}`;
  return h("time", { datetime: date.toISOString(), title: date.toISOString() }, text);
}

export function seconds(ms) {
  return ms < 1000 ? `${ms} ms` : `${number(ms / 1000)} s`;
}

// Controls, what turns the direction of a text around, what is invisible, and halves of pairs.
const HIDDEN =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/** A text with a sign for each character that is not seen otherwise. `lines`: line feeds and tabs
are what they are, as in the data of a znode; a name has them as signs. */
export function visible(text, lines = false) {
  const shown = h("bdi", {});
  let start = 0;
  for (const { 0: character, index } of text.matchAll(HIDDEN)) {
    if (lines && (character === "\n" || character === "\t")) continue;
    shown.append(text.slice(start, index), sign(character));
    start = index + character.length;
  }
  shown.append(text.slice(start));
  return shown;
}

function sign(character) {
  const code = character.charCodeAt(0);
  const name = `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
  let text = `<${name}>`;
  if (code < 0x20) text = String.fromCharCode(0x2400 + code);
  else if (code === 0x7f) text = "\u2421";
  return h("span", { class: "sign", title: name }, text);
}
