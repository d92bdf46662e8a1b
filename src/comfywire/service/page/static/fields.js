// The controls of a form, one for each kind of parameter. Each is {element, value, show(value), check()}: `value` is what
// goes to the service, undefined where nothing is set.

import { button, h, icon, set } from "./dom.js";
import { fromJson, whole } from "./numbers.js";
import { isFile, rangeWords, rolled, slider, whyWrong } from "./parameters.js";
import { picker } from "./picker.js";

let numbered = 0;
const nextId = (name) => `f${(numbered += 1)}-${name.replace(/\W/g, "_")}`;

export function field(one, given, onChange, context) {
  if (isFile(one)) return context.fileField(one, given, onChange, context);
  if (one.type === "seed") return seedField(one, given, onChange);
  if (one.type === "bool") return boolField(one, given, onChange);
  if (one.choices?.length) return choiceField(one, given, onChange);
  if (slider(one)) return sliderField(one, given, onChange);
  return textField(one, given, onChange);
}

// A label, a hint beside it, the control, and below it what is wrong.
export function framed(one, id, control, hint = "", more = []) {
  const wrong = h("p", { class: "error", id: `${id}-wrong`, hidden: true });
  const help = one.help ? { title: one.help } : {};
  const element = h("div", { class: "field" },
    h("div", { class: "label", ...help }, h("label", { for: id }, one.label), h("i", {}, hint)), control, wrong, more);
  const complain = (words) => {
    wrong.replaceChildren(...(words ? [icon("s-waits", "i i-16"), words] : []));
    wrong.hidden = !words;
    const input = element.querySelector(`#${id}`);
    set(input, { "aria-invalid": words ? "true" : null, "aria-describedby": words ? wrong.id : null });
    return !words;
  };
  return { element, complain };
}

function textField(one, given, onChange) {
  const id = nextId(one.name);
  const isLong = one.type === "text" && one.multiline !== false && (one.multiline || one.role.includes("prompt"));
  const isNumber = one.type === "int" || one.type === "float";
  const input = isLong
    ? h("textarea", { class: "area", id, rows: one.role === "negative_prompt" ? 2 : 4, value: given ?? "", on: { input: changed } })
    : h("input", { class: isNumber ? "in num" : "in", id, inputmode: isNumber ? "decimal" : "text", value: given ?? "", on: { input: changed } });
  const frame = framed(one, id, input, isNumber ? rangeWords(one) : one.role === "negative_prompt" ? "may be empty" : "");
  function changed() { check(); onChange(); }
  function check() { return frame.complain(whyWrong(one, value())); }
  function value() {
    if (one.type === "text") return input.value;
    if (input.value.trim() === "") return undefined;
    return isNumber ? numberOf(input.value) : parsedOr(input.value);
  }
  return { ...frame, get value() { return value(); }, show: (next) => { input.value = next ?? ""; check(); }, check };
}

const isWhole = (text) => /^-?\d+$/.test(text);
function numberOf(given) {
  const text = given.trim();
  if (isWhole(text)) return whole(text);
  return text === "" || Number.isNaN(Number(text)) ? text : Number(text);
}
function parsedOr(text) {
  try { return fromJson(text); } catch { return text; }
}

function sliderField(one, given, onChange) {
  const id = nextId(one.name);
  const { least, most, step } = slider(one);
  const range = h("input", { type: "range", id, min: least, max: most, step, on: { input: () => take(range.value) } });
  const number = h("input", {
    class: "in", inputmode: "decimal", "aria-label": `${one.label}, as a number`,
    on: { input: () => { follow(number.value); check(); onChange(); } },
  });
  const frame = framed(one, id, h("div", { class: "pair" }, range, number), rangeWords(one));
  function follow(value) {
    if (value !== "" && !Number.isNaN(Number(value))) range.value = value;
    const share = (range.value - least) / (most - least);
    range.style.setProperty("--fill", `calc(10px + ${share} * (100% - 20px))`);
  }
  function take(value) { number.value = value; follow(value); check(); onChange(); }
  function check() { return frame.complain(whyWrong(one, number.value.trim())); }
  function show(value) { number.value = value ?? ""; follow(value ?? least); check(); }
  show(given);
  return { ...frame, get value() { return number.value.trim() === "" ? undefined : numberOf(number.value); }, show, check };
}

function choiceField(one, given, onChange) {
  const id = nextId(one.name);
  const pick = picker({ id, label: one.label, choices: one.choices, value: given, onPick: () => { check(); onChange(); } });
  const frame = framed(one, id, pick.element);
  function check() { return frame.complain(whyWrong(one, pick.value)); }
  return { ...frame, get value() { return pick.value; }, show: (value) => { pick.show(value); check(); }, check };
}

function boolField(one, given, onChange) {
  const id = nextId(one.name);
  const box = h("input", { type: "checkbox", id, checked: given === true, on: { change: onChange } });
  const help = one.help ? { title: one.help } : {};
  const element = h("div", { class: "field" }, h("label", { class: "check", ...help }, box, one.label));
  return { element, get value() { return box.checked; }, show: (value) => { box.checked = value === true; }, check: () => true, complain: () => true };
}

function seedField(one, given, onChange) {
  const id = nextId(one.name);
  let lastRan = "";
  const input = h("input", { class: "in num", id, inputmode: "numeric", placeholder: "a new one for each run", value: textOf(given), on: { input: changed } });
  const dice = button("", { icon: "dice", class: "icon", label: "Roll a new seed", data: { does: "dice" }, on: { click: () => show(rolled(), true) } });
  const again = button("", { icon: "again", class: "icon", label: "Use the seed that ran", disabled: true, on: { click: () => show(lastRan, true) } });
  const frame = framed(one, id, h("div", { class: "seed" }, input, dice, again), "");
  const hint = frame.element.querySelector(".label i");
  function textOf(value) { return value === undefined || value === null || value === "random" ? "" : String(value); }
  function changed() { check(); onChange(); }
  function show(value, isNews = false) { input.value = textOf(value); check(); if (isNews) onChange(); }
  function check() {
    const text = input.value.trim();
    return frame.complain(text === "" || /^\d{1,20}$/.test(text) ? "" : `${text} is no seed: digits, or nothing for a new one.`);
  }
  function ran(seed) {
    lastRan = String(seed);
    again.disabled = false;
    set(again, { "aria-label": `Use ${lastRan} again`, title: `Use ${lastRan} again` });
    hint.textContent = `last ran with ${lastRan}`;
  }
  const valueOf = () => { const text = input.value.trim(); return text === "" ? "random" : isWhole(text) ? whole(text) : text; };
  return { ...frame, get value() { return valueOf(); }, show, check, ran, isSeed: true };
}
