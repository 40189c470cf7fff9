/* Elements, messages and dialogs.

Rules that live here: a text becomes a text node, so no value is ever read as markup. Nothing sets
innerHTML or a style attribute: the Content-Security-Policy of the page allows neither scripts nor
styles inside of it. */

/** An element. `properties`: `on...` is a listener, true and false are attributes without a value. */
export function h(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value != null) element.setAttribute(key, value);
  }
  element.append(...children.flat(Infinity).filter((each) => each != null && each !== false));
  return element;
}

/** A button. What its action throws is told. */
export function button(text, action, properties = {}) {
  return h("button", { type: "button", onclick: () => attempt(action), ...properties }, text);
}

/** A labelled field: `control` inside of its label. */
export function field(label, control, hint) {
  return h("label", { class: "field" }, h("span", {}, label), control, hint && h("small", {}, hint));
}

export function select(options, properties = {}) {
  return h(
    "select",
    properties,
    options.map(([value, text]) => h("option", { value }, text)),
  );
}

/** Tells something, for a while; an error until it is closed. */
export function tell(text, failed = false) {
  const messages = document.getElementById("messages");
  const told = h("p", { class: failed ? "told failed" : "told" }, h("span", {}, text));
  told.append(button("Close", () => told.remove(), { class: "plain" }));
  messages.append(told);
  while (messages.children.length > 4) messages.firstChild.remove();
  if (!failed) setTimeout(() => told.remove(), 6000);
}

/** Awaits an action; what it throws is told. */
export async function attempt(action) {
  try {
    return await action();
  } catch (error) {
    if (error.name !== "AbortError") tell(error.message, true);
    return undefined;
  }
}

/** A modal dialog. `action` is called when it is confirmed: what it throws is shown inside, and the
dialog stays open. Esc and Cancel close it. */
export function dialog(title, content, confirmation, action) {
  const problem = h("div", { class: "problem", role: "alert" });
  const confirm = h("button", { type: "submit", class: "main" }, confirmation);
  const form = h(
    "form",
    { class: "dialog" },
    h("h2", { id: "dialog-title" }, title),
    content,
    problem,
    h("p", { class: "buttons" }, button("Cancel", () => box.close()), confirm),
  );
  const box = h("dialog", { "aria-labelledby": "dialog-title", onclose: () => box.remove() }, form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (confirm.disabled) return;
    confirm.disabled = true;
    problem.replaceChildren();
    try {
      await action(problem);
      box.close();
    } catch (error) {
      // What the action has to say of it comes first.
      if (!problem.hasChildNodes()) problem.append(h("p", {}, error.message));
    }
    confirm.disabled = false;
  });
  document.body.append(box);
  box.showModal();
  return { box, confirm };
}

/** What replaces the content of `place`, unless it is what is there: `key` says what it shows. The
focus stays on the control with the same `data-key`. */
export function replace(place, key, content) {
  if (place.shownKey === key) return;
  place.shownKey = key;
  const focused = place.contains(document.activeElement)
    ? document.activeElement.dataset.key
    : undefined;
  place.replaceChildren(...[content()].flat(Infinity).filter(Boolean));
  if (focused === undefined) return;
  for (const each of place.querySelectorAll("[data-key]")) {
    if (each.dataset.key === focused) each.focus();
  }
}

/** A table. `rows`: lists of cells. It scrolls by itself where it is too wide. */
export function table(caption, heads, rows, none) {
  if (!rows.length) return h("p", { class: "none" }, none);
  return h(
    "div",
    { class: "wide", tabindex: "0", role: "region", "aria-label": caption },
    h(
      "table",
      {},
      h("caption", { class: "hidden" }, caption),
      h("thead", {}, h("tr", {}, heads.map((head) => h("th", { scope: "col" }, head)))),
      h("tbody", {}, rows.map((cells) => h("tr", {}, cells.map((cell) => h("td", {}, cell))))),
    ),
  );
}
