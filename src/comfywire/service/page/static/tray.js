// What is selected, and what can be done with it: compare two, download as one zip.

import { apiUrl, content } from "./api.js";
import { button, fill, h, tell } from "./dom.js";
import { labelAll } from "./labels.js";
import { go } from "./route.js";

export function tray({ selected, onChange = () => {}, onDone }) {
  const element = h("div", { class: "tray", role: "toolbar", "aria-label": "What is selected", hidden: true });
  function draw() {
    element.hidden = selected.size === 0;
    if (!selected.size) return fill(element);
    const all = [...selected.values()];
    const pictures = all.filter(({ output }) => output.type === "image");
    tell(`${all.length} selected`);
    return fill(element, h("span", { class: "strong num" }, `${all.length} selected`),
      all.length === 2 && pictures.length === 2 && button("Compare", { icon: "compare", class: "main", on: { click: () => compare(pictures) } }),
      button("Label", { class: "bare", label: "Put a label on them", on: { click: () => labelAll([...new Map(all.map(({ job }) => [job.id, job])).values()]).then((isDone) => isDone && onChange()) } }),
      button("Download", { icon: "download", class: all.length === 2 ? "bare fold" : "main", label: "Download", on: { click: () => download(all) } }),
      button("", { icon: "close", class: "bare icon", label: "Clear the selection", on: { click: onDone } }));
  }
  return { element, draw };
}

function compare([a, b]) {
  const [later, earlier] = a.job.created_at > b.job.created_at ? [a, b] : [b, a];
  go(`#/view/${later.job.id}/${later.index}/with/${earlier.job.id}/${earlier.index}`);
}

// Whole jobs come as one zip each; single outputs as they are.
export function download(entries) {
  const byJob = Map.groupBy ? Map.groupBy(entries, ({ job }) => job) : grouped(entries);
  for (const [job, members] of byJob) {
    if (members.length === job.outputs.length && members.length > 1) save(apiUrl(`jobs/${job.id}/outputs.zip`), `${job.id}.zip`);
    else for (const { output } of members) save(content(output.url), output.name);
  }
}

function grouped(entries) {
  const found = new Map();
  for (const entry of entries) found.set(entry.job, [...(found.get(entry.job) ?? []), entry]);
  return found;
}

export function save(href, name) {
  const link = h("a", { href, download: name });
  document.body.append(link);
  link.click();
  link.remove();
}
