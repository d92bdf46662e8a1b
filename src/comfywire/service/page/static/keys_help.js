// The sheet that lists all keys.

import { button, h } from "./dom.js";

const KEYS = [
  ["1  2  3", "Run, Results, Operate"], ["/", "to the search of this view"], ["Ctrl Enter", "run what the form says"],
  ["R", "roll a new seed"], ["arrows, Home, End", "move in the results; Enter opens, Space selects"],
  ["←  →", "the result before, the next one"], ["C", "compare with the one before"], ["P", "pick this one of the batch"], ["D", "download"],
  ["I", "the inputs, on or off"], ["Esc", "back"], ["[  ]", "a smaller or larger brush"], ["E", "erase, or paint"],
  ["Ctrl Z", "undo a stroke"], ["?", "this list"],
];

export function keysHelp() {
  const close = () => { sheet.close(); sheet.remove(); };
  const sheet = h("dialog", { class: "sheet", "aria-labelledby": "keys-title", on: { cancel: close } },
    h("div", { class: "row spread" }, h("h2", { id: "keys-title" }, "Keys"),
      button("", { icon: "close", class: "bare icon", label: "Close", on: { click: close } })),
    h("dl", { class: "pairs" }, KEYS.map(([key, does]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, does)])));
  document.body.append(sheet);
  sheet.showModal();
}
