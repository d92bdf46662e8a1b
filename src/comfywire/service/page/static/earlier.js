// Chooses an earlier result as a file for a workflow: a dialog with what this key made.

import { get } from "./api.js";
import { button, fill, h } from "./dom.js";
import { altOf, entriesOf, mediaOf } from "./tiles.js";

const TYPES = { image: "image", mask: "image", video: "video", audio: "audio" };

// Resolves to the id of an asset, or to null.
export function chooseResult(type) {
  return new Promise((done) => {
    const end = (id) => { sheet.close(); sheet.remove(); done(id); };
    const grid = h("div", { class: "choose-grid" }, h("p", { class: "quiet" }, "Looking…"));
    const sheet = h("dialog", { class: "sheet wide-sheet", "aria-labelledby": "choose-title", on: { cancel: () => end(null) } },
      h("div", { class: "row spread" }, h("h2", { id: "choose-title" }, "An earlier result"), button("", { icon: "close", class: "bare icon", label: "Close", on: { click: () => end(null) } })), grid);
    document.body.append(sheet);
    sheet.showModal();
    get("jobs?details=true&status=succeeded&limit=100").then(({ jobs }) => {
      const entries = jobs.flatMap((one) => entriesOf(one.job)).filter(({ output }) => output && (!TYPES[type] || output.type === TYPES[type]));
      fill(grid, entries.length ? entries.slice(0, 60).map(({ job, output }) => h("button", { type: "button", class: "choose", "aria-label": altOf(job), on: { click: () => end(output.id) } }, mediaOf(output, { size: 256 }))) : h("p", { class: "quiet" }, "Nothing of that kind was made yet."));
    }, (error) => fill(grid, h("p", { class: "error" }, error.message)));
  });
}
