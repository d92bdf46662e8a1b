// Dialogs: one that asks before something is lost, and one with a form in it.

import { button, fill, h, note } from "./dom.js";

let numbered = 0;

// Shows a sheet with a title; `inside(close)` makes what stands in it. Resolves to what `close` is given; Escape gives null.
export function sheet(words, inside, look = "") {
  return new Promise((done) => {
    const id = `sheet-${(numbered += 1)}`;
    const close = (value = null) => { dialog.close(); dialog.remove(); done(value); };
    const dialog = h("dialog", { class: `sheet ${look}`.trim(), "aria-labelledby": id, on: { cancel: (event) => { event.preventDefault(); close(); } } },
      h("div", { class: "row spread" }, h("h2", { id }, words), button("", { icon: "close", class: "bare icon", label: "Close", on: { click: () => close() } })));
    dialog.append(...[inside(close)].flat().filter(Boolean));
    document.body.append(dialog);
    dialog.showModal();
  });
}

// Asks once, naming what is lost; resolves to whether it may be.
export const confirmed = (words, why, verb) => sheet(words, (close) => [h("p", {}, why),
  h("div", { class: "row" }, button(verb, { class: "bad", on: { click: () => close(true) } }), button("Leave it", { class: "bare", on: { click: () => close() } }))]);

// A form of named fields. `fields` are [name, label, hint, properties]; `send(values)` does it, and what it raises is told.
export const asked = (words, fields, verb, send) => sheet(words, (close) => {
  const told = h("div", {});
  const inputs = new Map();
  const submit = h("button", { class: "btn main", type: "submit" }, verb);
  const act = async (event) => {
    event.preventDefault();
    submit.disabled = true;
    try {
      close((await send(Object.fromEntries([...inputs].map(([name, input]) => [name, input.value.trim()])))) ?? true);
    } catch (error) {
      fill(told, note("bad", h("p", {}, error.message)));
      submit.disabled = false;
    }
  };
  return h("form", { class: "stack-16", novalidate: true, on: { submit: act } }, fields.map(([name, label, hint, props]) => {
    const id = `asked-${name}`;
    const input = h("input", { class: "in", id, autocomplete: "off", ...props });
    inputs.set(name, input);
    return h("div", { class: "field" }, h("div", { class: "label" }, h("label", { for: id }, label), h("i", {}, hint)), input);
  }), told, h("div", { class: "row" }, submit, button("Leave it", { class: "bare", on: { click: () => close() } })));
});
