// One result as large as it goes: the ones before and after, two compared, what made it, and what can be done with it.

import { content, get } from "./api.js";
import { button, fill, h, icon, note, state, tell } from "./dom.js";
import { copyAs, inputsOf, sharing } from "./about.js";
import { between, bytes, clock, dayName, serverName, span, title } from "./format.js";
import { byAge, jobs } from "./jobs.js";
import { isPicked, labelsOf, pick } from "./labels.js";
import { isInField } from "./keys.js";
import { go } from "./route.js";
import { runAgain } from "./run.js";
import { altOf, isPicture, mediaOf, textOf } from "./tiles.js";
import { download } from "./tray.js";

let isAsideOpen = true;

export async function show(place, [id, at = "0", , otherId, otherAt], signal) {
  const job = await get(`jobs/${id}`, { signal });
  const index = Math.min(Number(at) || 0, job.outputs.length - 1);
  const output = job.outputs[index];
  if (!output) return go(`#/job/${id}`);
  const other = otherId ? await get(`jobs/${otherId}`, { signal }) : null;
  const compared = other?.outputs[Number(otherAt) || 0];
  const around = await neighbours(job, signal);
  if (signal.aborted) return;
  document.title = `${job.workflow_name ? title(job.workflow_name) : output.name} · Comfywire`;
  const hang = h("div", { class: "hang" });
  const entry = { job, output, index };
  const step = (by) => { const to = around.find((one) => one.job.id === id && one.index === index); const next = around[around.indexOf(to) + by]; if (next) replace(`#/view/${next.job.id}/${next.index}`); };
  const before = around[around.findIndex((one) => one.job.id === id && one.index === index) + 1];
  const toggle = () => (compared ? replace(`#/view/${id}/${index}`) : before?.output && isPicture(before.output) && replace(`#/view/${id}/${index}/with/${before.job.id}/${before.index}`));
  const back = () => go("#/results");
  const labels = labelsOf(job);
  const picker = Boolean(job.batch_id) && button("Pick", { icon: "check", class: "fold", label: "Pick this one", "aria-pressed": String(isPicked(job)), on: { click: choose } });
  const siblings = job.batch_id ? around.filter((one) => one.job.batch_id === job.batch_id) : around.filter((one) => one.job.id === id);

  fill(hang, compared ? comparison([other, compared], [job, output]) : whole(job, output),
    button("", { icon: "left", class: "icon step l", label: "The one before", on: { click: () => step(-1) } }),
    button("", { icon: "right", class: "icon step r", label: "The next one", on: { click: () => step(1) } }));
  const strip = siblings.length > 1 && h("div", { class: "strip", role: "group", "aria-label": job.batch_id ? "This batch" : "This job" }, siblings.slice(0, 16).map((one) =>
    h("a", { href: `#/view/${one.job.id}/${one.index}`, "aria-current": one.job.id === id && one.index === index ? "true" : null, "aria-label": altOf(one.job), class: isPicked(one.job) ? "is-picked" : null, data: { job: one.job.id } }, mediaOf(one.output, { size: 128 }))));
  const aside = h("aside", { "aria-label": "About this result", hidden: !isAsideOpen }, facts(job, output),
    h("section", {}, h("h2", {}, "Labels"), labels.element), h("section", {}, h("h2", {}, compared ? "Inputs that made B" : "Inputs that made it"), inputsOf(job),
      h("div", { class: "row" }, button("Run again with these", { icon: "again", class: "main", on: { click: () => runAgain(job) } }), h("a", { class: "small", href: `#/job/${job.id}` }, "What happened"))),
    copyAs(job), sharing(job));
  const view = h("div", { class: isAsideOpen ? "viewer" : "viewer no-aside" },
    h("div", { class: "top" }, h("a", { class: "btn bare icon", href: "#/results", "aria-label": "Back to the results", title: "Back to the results" }, icon("close")),
      h("div", {}, h("h1", {}, job.workflow_name ? title(job.workflow_name) : output.name)), siblings.length > 1 && h("span", { class: "quiet small num keys-hint" }, `${siblings.findIndex((one) => one.job.id === id && one.index === index) + 1} of ${siblings.length}`),
      h("div", { class: "bar-end row" }, isPicture(output) && button("Compare", { icon: "compare", class: "fold", label: "Compare", "aria-pressed": String(Boolean(compared)), disabled: !compared && !(before?.output && isPicture(before.output)), on: { click: toggle } }),
        picker, button("Download", { icon: "download", class: "fold", label: "Download", on: { click: () => download([entry]) } }))),
    h("div", { class: "hall" }, hang, strip), aside);
  fill(place, view);
  scrollTo(0, 0);
  async function choose() {
    await pick(job);
    picker.setAttribute("aria-pressed", String(isPicked(job)));
    for (const one of strip ? strip.children : []) if (one.dataset.job === job.id) one.classList.toggle("is-picked", isPicked(job));
    labels.draw();
  }
  swipe(hang, step);
  if (!compared && isModel(output)) {
    const [{ showModel }, bytesOfIt] = await Promise.all([import("./model.js"), fetch(content(output.url)).then((answer) => answer.arrayBuffer())]);
    if (!signal.aborted) showModel(hang.querySelector(".model"), bytesOfIt, signal);
  }
  addEventListener("keydown", (event) => {
    if (isInField(event) || event.ctrlKey || event.metaKey) return;
    const isRange = event.target.type === "range";
    if (event.key === "ArrowRight" && !isRange) step(1);
    else if (event.key === "ArrowLeft" && !isRange) step(-1);
    else if (event.key === "Escape") back();
    else if (event.key === "c") toggle();
    else if (event.key === "p" && picker) choose();
    else if (event.key === "d") download([entry]);
    else if (event.key === "i") { isAsideOpen = !isAsideOpen; aside.hidden = !isAsideOpen; view.classList.toggle("no-aside", !isAsideOpen); }
  }, { signal });
}

function replace(address) {
  history.replaceState(null, "", address);
  dispatchEvent(new Event("hashchange"));
}

// The results around a job: what is known already, and enough beside.
async function neighbours(job, signal) {
  const known = jobs.newest.some((one) => one.id === job.id) ? jobs.newest
    : (await get(`jobs?details=true&limit=100&${job.batch_id ? `batch_id=${job.batch_id}` : job.workflow_name ? `workflow=${job.workflow_name}` : ""}`, { signal })).jobs.map((one) => ({ ...one.job, batch_index: one.batch_index })).sort(byAge);
  const all = known.some((one) => one.id === job.id) ? known : [job, ...known];
  return all.flatMap((one) => one.outputs.map((output, index) => ({ job: one, output, index })));
}

const isModel = (output) => output.kind === "3d" && /\.glb$/i.test(output.name);

function whole(job, output) {
  if (output.type === "text") return h("pre", { class: "sheet-of-text", tabindex: "0" }, textOf(output));
  if (isModel(output)) return h("div", { class: "hung model", role: "img", "aria-label": altOf(job) }, h("p", { class: "quiet", role: "status" }, "Reading the model…"));
  const media = mediaOf(output, { whole: true, controls: true, alt: altOf(job), size: 512 });
  media.classList.add("hung");
  if (isPicture(output)) media.classList.add("checks");
  if (media.tagName !== "DIV") return media;
  return h("div", { class: "stack" }, media, h("p", { class: "quiet small" }, `${output.content_type}, ${bytes(output.size_bytes)}. It is not shown here: what it contains could run.`));
}

// Two pictures over each other, and a cut that a slider moves.
function comparison([jobA, a], [jobB, b]) {
  const range = h("input", { type: "range", min: 0, max: 100, step: 1, value: 50, "aria-label": "How much of A is shown", on: { input: () => frame.style.setProperty("--cut", `${range.value}%`), keydown: (event) => {
    if (!event.shiftKey || !["ArrowLeft", "ArrowRight"].includes(event.key)) return;
    event.preventDefault();
    range.value = Number(range.value) + (event.key === "ArrowRight" ? 10 : -10);
    frame.style.setProperty("--cut", `${range.value}%`);
  } } });
  const [wordA, wordB] = differing(jobA, jobB);
  const frame = h("div", { class: "compare" }, h("img", { src: content(b.url), alt: `B: ${altOf(jobB)}`, on: { load: (event) => frame.style.setProperty("aspect-ratio", `${event.target.naturalWidth} / ${event.target.naturalHeight}`) } }),
    h("img", { class: "over", src: content(a.url), alt: `A: ${altOf(jobA)}` }), h("span", { class: "tag a num" }, `A · ${wordA}`), h("span", { class: "tag b num" }, `B · ${wordB}`),
    h("span", { class: "edge" }, h("span", { class: "grip" }, icon("compare"))), range);
  if (b.width) frame.style.setProperty("aspect-ratio", `${b.width} / ${b.height}`);
  return frame;
}

// What tells two runs apart: the first input that differs.
function differing(a, b) {
  const name = Object.keys({ ...a.inputs, ...b.inputs }).find((one) => String(a.inputs?.[one]) !== String(b.inputs?.[one]));
  const words = (job) => (name ? `${title(name).toLowerCase()} ${String(job.inputs?.[name] ?? "").slice(0, 24)}` : clock(job.created_at));
  return [words(a), words(b)];
}

function facts(job, output) {
  const size = h("span", { class: "num" }, output.width ? `${output.width} × ${output.height}, ` : "", `${output.content_type.split("/").pop().toUpperCase()}, ${bytes(output.size_bytes)}`);
  const ran = job.started_at && job.completed_at ? `, in ${span(between(job.started_at, job.completed_at))}` : "";
  return h("section", {}, h("div", { class: "row spread" }, state(job.status), h("span", { class: "quiet small num" }, `${dayName(job.created_at).toLowerCase()} ${clock(job.created_at)}, on ${serverName(job.server)}${ran}`)),
    h("p", { class: "small quiet" }, size), job.warnings.map((words) => note("warn", h("p", {}, words))));
}

function swipe(element, step) {
  let from = null;
  element.addEventListener("touchstart", (event) => { from = event.touches.length === 1 ? event.touches[0].clientX : null; }, { passive: true });
  element.addEventListener("touchend", (event) => {
    if (from === null || event.target.type === "range") return;
    const by = event.changedTouches[0].clientX - from;
    if (Math.abs(by) > 60) { step(by < 0 ? 1 : -1); tell(by < 0 ? "The next one" : "The one before"); }
  }, { passive: true });
}
