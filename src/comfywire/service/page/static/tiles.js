// Results as small pictures: each kind shown as what it is, and nothing of an output ever run as a page.

import { content } from "./api.js";
import { h, icon, svg } from "./dom.js";
import { clock, shorten, title } from "./format.js";
import { toJson } from "./numbers.js";

const SHOWN_PICTURE = /^image\/(png|jpeg|gif|webp|avif|bmp)/;
const still = matchMedia("(prefers-reduced-motion: reduce)");

export const isPicture = (output) => SHOWN_PICTURE.test(output.content_type);

// What an output looks like in a place of a given size. SVG and HTML are files here, with a name and no look: they
// could run scripts.
export function mediaOf(output, { size = 256, alt = "", controls = false, whole = false } = {}) {
  if (isPicture(output)) {
    const isAnimated = output.kind === "animation";
    const source = content(output.url, whole || (isAnimated && size > 256) ? {} : { thumbnail: size });
    const shape = output.width ? { width: output.width, height: output.height } : {};
    const picture = h("img", { src: source, alt, loading: whole ? "eager" : "lazy", decoding: "async", ...shape });
    // What no thumbnail can be made of is shown itself.
    picture.addEventListener("error", () => { if (picture.src !== content(output.url)) picture.src = content(output.url); }, { once: true });
    return picture;
  }
  if (output.type === "video") {
    const video = h("video", { src: content(output.url), muted: !controls, loop: !controls, preload: "metadata", playsinline: true, controls, "aria-label": alt });
    if (!controls && !still.matches) {
      video.addEventListener("pointerenter", () => video.play().catch(() => {}));
      video.addEventListener("pointerleave", () => video.pause());
    }
    return video;
  }
  if (output.type === "audio" && controls) return h("audio", { src: content(output.url), controls: true, preload: "metadata", "aria-label": alt });
  if (output.type === "text") return h("p", {}, textOf(output));
  return h("div", { class: "a-file" }, icon(output.type === "audio" ? "sound" : output.kind === "3d" ? "cube" : "file"), h("span", { class: "small" }, shorten(output.name, 40)));
}

export const textOf = (output) => (output.value === null || output.value === undefined ? "A long text: open it." : typeof output.value === "string" ? output.value : toJson(output.value, 1));

export function altOf(job) {
  const words = job.inputs?.prompt ?? job.inputs?.text ?? "";
  const seed = job.inputs?.seed === undefined ? "" : `, seed ${job.inputs.seed}`;
  return shorten(`${job.workflow_name ? title(job.workflow_name) : "Result"}${seed}${words ? `: ${words}` : ""}`, 160);
}

const wave = () => svg("svg", { class: "wave", viewBox: "0 0 320 96", "aria-hidden": "true" }, ...Array.from({ length: 40 }, (_, index) => {
  const tall = 8 + 30 * Math.abs(Math.sin(index * 1.7) * Math.cos(index * 0.31));
  return svg("path", { d: `M${4 + index * 8} ${48 - tall}v${2 * tall}`, stroke: "currentColor", "stroke-width": "2.4" });
}));

// One tile of a gallery. `entry` is {job, output, index}; a job without outputs stands for itself.
export function tile(entry, { isSelected = false, onSelect = null, tabindex = null } = {}) {
  const { job, output, index } = entry;
  const name = job.workflow_name ? title(job.workflow_name) : (output?.name ?? "Workflow");
  const inside = output ? looks(entry) : standing(job);
  const to = output ? `#/view/${job.id}/${index}` : `#/job/${job.id}`;
  const mark = output && onSelect && h("span", { class: "mark" }, h("input", { type: "checkbox", checked: isSelected, "aria-label": `Select ${shorten(altOf(job), 60)}`, tabindex: "-1", on: { change: (event) => onSelect(entry, event) } }));
  return h("div", { class: isSelected ? "tile picked" : "tile", data: { key: keyOf(entry) } },
    // Its name begins with words of ours and holds all that is seen inside, such as a text or what went wrong.
    h("a", { class: "pic-link", href: to, tabindex }, h("span", { class: "only-read" }, `${output ? altOf(job) : name}: `), inside), mark,
    h("span", { class: "cap" }, h("span", {}, name), h("span", { class: "num" }, clock(job.completed_at ?? job.created_at))));
}

export const keyOf = ({ job, index }) => `${job.id}/${index ?? "-"}`;

function looks({ job, output }) {
  if (output.type === "text") return h("span", { class: "pic paper" }, mediaOf(output), h("span", { class: "tag" }, icon("text"), "text"));
  if (output.type === "audio") return h("span", { class: "pic sound" }, wave(), h("span", { class: "tag" }, icon("sound"), "sound"));
  const isMoving = output.type === "video";
  return h("span", { class: "pic" }, mediaOf(output, { alt: "", size: 512 }), isMoving && h("span", { class: "play" }, icon("run")), output.kind === "3d" && h("span", { class: "tag" }, icon("cube"), "3D"),
    isMoving && h("span", { class: "tag" }, icon("video"), "video"), job.metadata?.picked === "yes" && h("span", { class: "tag picked-tag" }, icon("check"), "picked"), job.status === "running" && h("span", { class: "tag" }, icon("s-running"), "running"));
}

function standing(job) {
  if (job.status === "failed") return h("span", { class: "pic broken" }, icon("s-failed"), h("span", { class: "strong" }, job.error?.class_type ? `Failed at ${job.error.class_type}` : "Failed"), h("span", {}, shorten(job.error?.message ?? "", 90)));
  const words = { running: job.progress?.steps ? `step ${job.progress.step} of ${job.progress.steps}` : "running", queued: "waits" }[job.status] ?? job.status;
  return h("span", { class: "pic waiting" }, h("span", { class: "tag num" }, icon(job.status === "running" ? "s-running" : job.status === "queued" ? "s-queued" : "s-canceled"), words));
}

// The entries of a job in a gallery: one for each output, or one for itself.
export function entriesOf(job) {
  if (job.outputs.length) return job.outputs.map((output, index) => ({ job, output, index }));
  return [{ job, output: null, index: null }];
}

// Width over height, as far as anybody knows before the bytes are there.
export function ratioOf({ output }) {
  if (output?.width) return Math.min(3, Math.max(0.4, output.width / output.height));
  return output?.type === "video" || output?.type === "audio" ? 16 / 9 : 1;
}
