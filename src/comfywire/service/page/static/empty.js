// No workflow is registered yet: what to do about it.

import { button, fill, h, icon, note } from "./dom.js";
import { dropZone, openFile } from "./drop.js";

export function showEmpty(place, signal) {
  const input = h("input", { type: "file", class: "only-read", tabindex: "-1", "aria-label": "Workflow file", on: { change: () => input.files[0] && openFile(input.files[0]) } });
  fill(place, h("div", { class: "empty" },
    h("div", { class: "stack" }, h("h1", {}, "No workflow is registered yet"), h("p", { class: "quiet" }, "Drop one from ComfyUI, and it becomes a form that anybody with a key can run.")),
    h("div", { class: "drop big" }, icon("drop"), h("p", { class: "strong" }, "Drop a workflow file here"), h("p", { class: "quiet" }, "API format, the editor’s own JSON, an app, or a picture that ComfyUI saved."),
      h("div", { class: "row" }, button("Choose a file", { icon: "file", class: "main", on: { click: () => input.click() } }), input)),
    note("", h("p", {}, "From a terminal, ", h("code", {}, "comfywire workflows add NAME FILE"), " does the same."))));
  dropZone(place, signal);
}
