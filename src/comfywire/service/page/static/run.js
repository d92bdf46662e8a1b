// The view "Run": registered workflows, the form of the one that is chosen, the job that is watched, the latest results.

import { content, get } from "./api.js";
import { go } from "./route.js";
import { allStyles, fill, h, icon, oncePerFrame } from "./dom.js";
import { many, title } from "./format.js";
import { workflowForm } from "./form.js";
import { isOpen, jobs } from "./jobs.js";
import { keepWorkflow, lastWorkflow } from "./kept.js";
import { livePanel } from "./live.js";
import { dropZone } from "./drop.js";
import { isFile } from "./parameters.js";
import { entriesOf, isPicture, mediaOf, ratioOf, tile } from "./tiles.js";

const LATEST = 12;
let again = null;

// A list of jobs leaves long inputs out.
const withInputs = async (job) => (job.inputs_left_out && !job.inputs ? get(`jobs/${job.id}`) : job);

// Opens the form of a job's workflow with the inputs that made it.
export async function runAgain(job) {
  if (!job.workflow_name) return go(`#/register/job/${job.id}`);
  const { inputs } = await withInputs(job);
  again = { name: job.workflow_name, inputs: inputs ?? {} };
  go(`#/run/${encodeURIComponent(job.workflow_name)}`);
}

export async function show(place, [wanted], signal) {
  const { workflows } = await get("workflows", { signal });
  if (signal.aborted) return;
  if (!workflows.length) {
    const [{ showEmpty }] = await Promise.all([import("./empty.js"), allStyles()]);
    showEmpty(place, signal);
    return;
  }
  const name = [wanted, lastWorkflow(), workflows[0].name].find((one) => workflows.some((known) => known.name === one));
  keepWorkflow(name);
  const workflow = await get(`workflows/${name}`, { signal });
  const files = Object.values(workflow.parameters).some(isFile) ? await import("./files.js") : null;
  if (signal.aborted) return;
  const live = livePanel({ signal, onDuplicate: (job) => (job.workflow_name === name ? withInputs(job).then(({ inputs }) => form.show(inputs ?? {})) : runAgain(job)) });
  const given = again?.name === name ? again.inputs : undefined;
  again = null;
  const form = workflowForm(workflow, { given, signal, fileField: files?.fileField, onStarted: (id) => { live.watch(id); live.element.scrollIntoView({ block: "nearest" }); } });
  const gallery = h("div", { class: "gallery g-small" });
  const nothing = h("p", { class: "quiet" }, "What you run appears here.");
  const latest = h("section", { class: "stack latest", "aria-label": "Latest results" },
    h("div", { class: "row spread" }, h("h2", {}, "Latest results"), h("a", { href: "#/results" }, "All results")), nothing, gallery);
  const side = workflowCards(workflows, name);
  fill(place, h("div", { class: "view run" }, side.element, form.element, h("div", { class: "now stack-24" }, live.element, latest)));
  dropZone(place, signal);

  let drawn = "";
  const draw = oncePerFrame(() => {
    const newest = jobs.newest;
    const ended = newest.filter((job) => !isOpen(job) && job.outputs.length);
    const current = jobs.byId.get(live.id);
    if (!current) { const first = newest.find(isOpen) ?? newest[0]; if (first) live.watch(first.id); }
    else if (current.workflow_name === name && current.inputs) form.ran(current);
    const entries = ended.flatMap(entriesOf).slice(0, LATEST);
    const look = entries.map((one) => one.output.id).join();
    nothing.hidden = entries.length > 0;
    if (look !== drawn) { drawn = look; fill(gallery, entries.map((one) => withRatio(tile(one), ratioOf(one)))); side.pictures(ended); }
    const waiting = jobs.open.filter((job) => job.status === "queued").length;
    form.expect(waiting ? `${many(waiting, "prompt")} of yours ${waiting === 1 ? "waits" : "wait"} before it.` : "");
  });
  jobs.watch(draw, signal);
}

export function withRatio(element, ratio) {
  element.style.setProperty("flex", `${ratio} 1 calc(var(--h) * ${ratio})`);
  return element;
}

function workflowCards(workflows, chosen) {
  const pictures = new Map();
  const cards = workflows.map((one) => {
    const count = Object.keys(one.parameters).length;
    const picture = h("span", { class: "flow-pic" }, icon("results"));
    pictures.set(one.name, { place: picture, isSet: false });
    if (one.example_url) fill(picture, h("img", { src: content(one.example_url, { thumbnail: 512 }), alt: "", loading: "lazy" }));
    pictures.get(one.name).isSet = Boolean(one.example_url);
    return h("a", { class: "flow", href: `#/run/${encodeURIComponent(one.name)}`, "aria-current": one.name === chosen ? "true" : null, data: { words: `${one.name} ${one.description}`.toLowerCase() } }, picture,
      h("span", { class: "t" }, h("b", {}, title(one.name)), h("span", {}, many(count, "input"))));
  });
  const search = h("input", { class: "in", type: "search", "aria-label": "Find a workflow", placeholder: "Find a workflow", on: { input: () => {
    for (const card of cards) card.hidden = !card.dataset.words.includes(search.value.trim().toLowerCase());
  } } });
  const element = h("aside", { class: "side stack", "aria-label": "Workflows" },
    h("div", { class: "row spread" }, h("h2", {}, "Workflows"), h("a", { class: "btn slim", href: "#/register" }, icon("plus"), h("span", {}, "Add"))),
    workflows.length > 5 && search, h("nav", { class: "flows", "aria-label": "Registered workflows" }, cards));
  return {
    element,
    // A workflow without an example picture shows the newest that this key made with it.
    pictures(ended) {
      for (const job of ended) {
        const card = pictures.get(job.workflow_name);
        const output = job.outputs.find(isPicture);
        if (card && !card.isSet && output) { card.isSet = true; fill(card.place, mediaOf(output, { size: 512 })); }
      }
    },
  };
}
