// A choice out of a list: a button with the value, which opens the list; with search where there are many.

import { h, icon, svg } from "./dom.js";

const MANY = 8;
let numbered = 0;

// Returns {element, value, show}. `choices` are values, or [value, words].
export function picker({ id, label, choices, value, onPick = () => {}, look = "", prefix = "" }) {
  const all = choices.map((one) => (Array.isArray(one) ? one : [one, String(one)]));
  const listId = `list-${(numbered += 1)}`;
  let chosen = value, list = null, at = -1, matching = all;
  const words = h("span", {});
  const element = h("button", {
    type: "button", class: `pick ${look}`.trim(), id, role: "combobox", "aria-haspopup": "listbox", "aria-expanded": "false",
    on: { click: toggle, keydown: key },
  }, words, icon("down"));
  const place = h("div", { class: "pick-place" }, element);

  function show(next) {
    chosen = next;
    const text = all.find(([known]) => known === next)?.[1] ?? (next === undefined || next === null ? "choose" : String(next));
    words.replaceChildren(...(prefix ? [h("i", {}, prefix), ` ${text}`] : [text]));
    element.setAttribute("aria-label", `${label}: ${text}`);
  }

  function toggle() { list ? close() : open(); }

  function open() {
    const search = all.length >= MANY
      ? h("input", { class: "in", type: "text", role: "combobox", "aria-expanded": "true", "aria-controls": listId, "aria-label": `Find in ${label}`, on: { input: () => draw(search.value), keydown: key } })
      : null;
    const box = h("ul", { role: "listbox", id: listId, "aria-label": label });
    list = h("div", { class: "list over-list", on: { focusout: (event) => !place.contains(event.relatedTarget) && close(false) } }, search, box);
    list.box = box;
    list.search = search;
    place.append(list);
    element.setAttribute("aria-expanded", "true");
    element.setAttribute("aria-controls", listId);
    draw("");
    (search ?? element).focus();
    list.scrollIntoView?.({ block: "nearest" });
  }

  function close(isFocused = true) {
    const shown = list;
    list = null; // first: to remove what has the focus makes it leave, which closes once more
    shown?.remove();
    element.setAttribute("aria-expanded", "false");
    element.removeAttribute("aria-controls");
    element.removeAttribute("aria-activedescendant");
    if (isFocused) element.focus();
  }

  function draw(text) {
    const wanted = text.trim().toLowerCase();
    matching = all.filter(([, words]) => words.toLowerCase().includes(wanted));
    at = Math.max(0, matching.findIndex(([known]) => known === chosen));
    list.box.replaceChildren(...matching.map((one, index) => option(one, index, wanted)));
    if (!matching.length) list.box.append(h("li", { class: "quiet", role: "option", "aria-disabled": "true", "aria-selected": "false" }, "Nothing is called so."));
    mark();
  }

  function option([known, words], index, wanted) {
    const from = wanted ? words.toLowerCase().indexOf(wanted) : -1;
    const text = from < 0 ? [words] : [words.slice(0, from), h("mark", {}, words.slice(from, from + wanted.length)), words.slice(from + wanted.length)];
    return h("li", {
      role: "option", id: `${listId}-${index}`, "aria-selected": String(known === chosen),
      on: { mousedown: (event) => event.preventDefault(), click: () => take(index) },
    }, icon("check"), h("span", {}, text));
  }

  function mark() {
    [...list.box.children].forEach((one, index) => one.classList.toggle("at", index === at));
    const active = list.box.children[at];
    (list.search ?? element).setAttribute("aria-activedescendant", active?.id ?? "");
    active?.scrollIntoView?.({ block: "nearest" });
  }

  function take(index) {
    if (!matching[index]) return;
    show(matching[index][0]);
    close();
    onPick(chosen);
  }

  function key(event) {
    if (!list) {
      if (event.key === "ArrowDown" || event.key === "ArrowUp") { event.preventDefault(); open(); }
      return;
    }
    const last = matching.length - 1;
    const moves = { ArrowDown: Math.min(at + 1, last), ArrowUp: Math.max(at - 1, 0), Home: 0, End: last };
    if (event.key in moves) { event.preventDefault(); at = moves[event.key]; mark(); }
    else if (event.key === "Enter") { event.preventDefault(); event.stopPropagation(); take(at); }
    else if (event.key === "Escape") { event.preventDefault(); event.stopPropagation(); close(); }
    else if (event.key === "Tab") close();
  }

  show(value);
  return { element: place, show, get value() { return chosen; } };
}

// A bar of what fills up: memory, or the parts of a batch. `parts` are [kind, share].
export function meter(parts) {
  const bar = svg("svg", { class: "meter", "aria-hidden": "true" }, svg("rect", { class: "track", width: "100%", height: "8", rx: "2" }));
  let from = 0;
  for (const [kind, share] of parts) {
    if (share > 0) bar.append(svg("rect", { class: kind, x: `${from * 100}%`, width: `${share * 100}%`, height: "8", rx: "2" }));
    from += share;
  }
  return bar;
}
