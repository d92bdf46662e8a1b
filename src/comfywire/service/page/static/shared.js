// What a link shows of one run to somebody without a key: its outputs and inputs, and nothing else.

import { apiUrl, content, get } from "./api.js";
import { brandIcon, button, fill, h, note } from "./dom.js";
import { inputsOf } from "./about.js";
import { day, title } from "./format.js";
import { altOf, mediaOf } from "./tiles.js";
import { save } from "./tray.js";

export async function show(place, [token], signal) {
  let run;
  try {
    run = await get(`shared/${token}`, { signal });
  } catch (error) {
    if (!signal.aborted) fill(place, h("div", { class: "center" }, h("div", { class: "card stack" }, h("h1", {}, "Nothing here"), note("", h("p", {}, error.message)))));
    return;
  }
  const name = run.workflow_name ? title(run.workflow_name) : "A run";
  document.title = `${name} · Comfywire`;
  fill(place, h("div", { class: "view stack-24" },
    h("div", { class: "row spread" }, h("div", { class: "stack" }, h("span", { class: "brand" }, brandIcon(), "Comfywire"), h("h1", {}, name), h("p", { class: "quiet small" }, `Made on ${day(run.created_at)}; this link ends on ${day(run.expires_at)}.`)),
      run.outputs.length > 1 && button(`Download all ${run.outputs.length}`, { icon: "download", on: { click: () => save(apiUrl(`shared/${token}/outputs.zip`), "outputs.zip") } })),
    h("div", { class: "shared-outs" }, run.outputs.map((output) => h("figure", { class: "panel shared-out" }, mediaOf(output, { whole: true, controls: true, alt: altOf(run), size: 512 }),
      h("figcaption", { class: "small row spread" }, h("span", { class: "cut-line" }, output.name), button("Download", { icon: "download", class: "slim bare", on: { click: () => save(content(output.url), output.name) } }))))),
    h("section", { class: "panel" }, h("div", { class: "head" }, h("h2", {}, "Inputs")), h("div", { class: "body" }, inputsOf(run)))));
}

