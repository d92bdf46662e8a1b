// Anywhere on a view, a dropped workflow file, or a picture that carries one, is opened to be looked at and registered.

import { go } from "./route.js";
import { h } from "./dom.js";

let dropped = null;

// The file that was dropped last, for the view that opens it.
export function takeDropped() {
  const file = dropped;
  dropped = null;
  return file;
}

export function openFile(file) {
  dropped = file;
  go("#/register");
}

export function dropZone(place, signal) {
  const veil = h("div", { class: "drop-veil", hidden: true }, h("p", {}, "Let go to open the workflow in this file"));
  place.append(veil);
  const isFile = (event) => [...event.dataTransfer.types].includes("Files");
  place.addEventListener("dragover", (event) => { if (isFile(event)) { event.preventDefault(); veil.hidden = false; } }, { signal });
  place.addEventListener("dragleave", (event) => { if (!place.contains(event.relatedTarget)) veil.hidden = true; }, { signal });
  place.addEventListener("drop", (event) => {
    veil.hidden = true;
    if (event.defaultPrevented || !event.dataTransfer.files[0]) return;
    event.preventDefault();
    openFile(event.dataTransfer.files[0]);
  }, { signal });
}
