// Labels of jobs, which the gallery is filtered by: shown, put on, taken off; and the one that says "this one of the batch".

import { patch } from "./api.js";
import { asked } from "./dialogs.js";
import { button, fill, h, icon, note, tell } from "./dom.js";
import { jobs } from "./jobs.js";

const PICKED = "picked";

export const isPicked = (job) => job.metadata?.[PICKED] === "yes";

// Changes labels of a job, here and at the service; null takes one off.
export async function relabel(job, changes) {
  const now = await patch(`jobs/${job.id}`, { metadata: changes });
  job.metadata = now.metadata;
  if (jobs.byId.has(job.id)) jobs.put({ ...jobs.byId.get(job.id), metadata: now.metadata });
}

export async function pick(job) {
  await relabel(job, { [PICKED]: isPicked(job) ? null : "yes" });
  tell(isPicked(job) ? "Picked" : "Not picked any more");
}

const FIELDS = [["name", "Name", "", { maxlength: 64 }], ["value", "Value", "", { maxlength: 512 }]];

// Asks for one label and puts it on all of these jobs; resolves to whether it did.
export const labelAll = (all) => asked("Put a label on", FIELDS, "Put it on", async ({ name, value }) => {
  for (const job of all) await relabel(job, { [name]: value });
  tell(`Labelled ${name}: ${value}`);
});

// A job's labels, each with a button that takes it off, and one that adds another.
export function labelsOf(job) {
  const place = h("div", { class: "row labels", role: "group", "aria-label": "Labels" });
  const told = h("div", {});
  async function off(name) {
    try {
      await relabel(job, { [name]: null });
      tell(`The label ${name} is off`);
      draw();
    } catch (error) {
      fill(told, note("bad", h("p", {}, error.message)));
    }
  }
  function draw() {
    fill(told);
    fill(place, Object.entries(job.metadata).map(([name, value]) => h("span", { class: "label-tag" }, `${name}: ${value}`,
      h("button", { type: "button", class: "label-off", "aria-label": `Take ${name} off`, title: `Take ${name} off`, on: { click: () => off(name) } }, icon("close", "i i-16")))),
    button("Label", { icon: "plus", class: "slim bare", on: { click: async () => { if (await labelAll([job])) draw(); } } }));
  }
  draw();
  return { element: h("div", { class: "stack" }, place, told), draw };
}
