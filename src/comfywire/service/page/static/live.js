// One job as it happens: its preview, its way through its nodes, where it is and how long it takes, and why it waits.

import { follow, get, post } from "./api.js";
import { button, fill, h, icon, note, oncePerFrame, say, set, state, svg, tell } from "./dom.js";
import { between, serverName, since, span, title } from "./format.js";
import { isOpen, jobs } from "./jobs.js";
import { mediaOf } from "./tiles.js";

const graphs = new Map();

// Follows a job's events into the store, with previews, for as long as `signal` lasts. `onPreview` gets pictures.
export function attend(id, { onPreview = () => {}, onAway = () => {}, signal }) {
  let told = "";
  const onEvent = (name, data) => {
    const job = jobs.byId.get(id);
    if (!job) return;
    if (name === "progress") jobs.put({ ...job, progress: data });
    else if (name === "preview") onPreview(`data:${data.content_type};base64,${data.data_base64}`);
    else if (name === "output" && !job.outputs.some((one) => one.id === data.id)) jobs.put({ ...job, outputs: [...job.outputs, data] });
    else if (name === "status") {
      jobs.put({ ...job, status: data.status, queue_position: data.queue_position, waiting_reason: data.waiting_reason });
      if (data.status !== told) tell(`${jobTitle(job)}: ${data.status}`);
      if (data.status !== told || !isOpen(data)) refresh();
      told = data.status;
    }
  };
  async function refresh() {
    try { jobs.put(await get(`jobs/${id}`)); } catch { /* the stream says more soon */ }
  }
  refresh();
  return follow(`jobs/${id}/events?previews=true`, { onEvent, onAway, signal }).then(refresh, () => {});
}

export function jobTitle(job) {
  const seed = job.inputs?.seed;
  const name = job.workflow_name ? title(job.workflow_name) : "A workflow of your own";
  return seed === undefined ? name : `${name}, seed ${seed}`;
}

export async function graphOf(id) {
  if (!graphs.has(id)) graphs.set(id, get(`jobs/${id}/workflow`).then((answer) => answer.workflow, () => ({})));
  return graphs.get(id);
}

// A node as people know it: its title, then its id and type.
export function nodeWords(graph, id, type) {
  const node = graph?.[id];
  const kind = type ?? node?.class_type ?? "";
  return { name: node?._meta?.title ?? kind ?? `Node ${id}`, detail: `node ${id}, ${kind}` };
}

// The way of a job through its nodes: a bead each, the one at work thick and filled by its steps.
export function wire() {
  const bar = svg("svg", { class: "wire", role: "progressbar", "aria-label": "The whole prompt", "aria-valuemin": "0", "aria-valuemax": "100" });
  let drawn = "";
  function show(progress, status) {
    const total = Math.max(1, Math.min(progress?.nodes_total ?? 1, 24));
    const all = Math.max(1, progress?.nodes_total ?? 1);
    const done = status === "succeeded" ? total : Math.round(((progress?.nodes_done ?? 0) / all) * total);
    const share = progress?.steps ? progress.step / progress.steps : 0;
    const look = [total, done, share, status].join();
    if (look === drawn) return;
    drawn = look;
    set(bar, { class: `wire ${status === "failed" ? "failed" : ""}` });
    bar.setAttribute("aria-valuenow", String(Math.round(100 * (status === "succeeded" ? 1 : progress?.value ?? 0))));
    const at = (index) => 1.2 + (97.6 * index) / total;
    const parts = [];
    for (let index = 0; index < total; index += 1) {
      const isNow = index === done && status === "running";
      const [y, height] = isNow ? [4, 8] : [6, 4];
      const width = at(index + 1) - at(index);
      parts.push(svg("rect", { class: "seg", x: `${at(index)}%`, y, width: `${width}%`, height }));
      const part = index < done ? 1 : isNow ? share : 0;
      if (part) parts.push(svg("rect", { class: "done", x: `${at(index)}%`, y, width: `${width * part}%`, height }));
    }
    for (let index = 0; index <= total; index += 1) {
      const kind = status === "failed" && index === done ? "bad" : index <= done && status !== "queued" ? "past" : "";
      parts.push(svg("circle", { class: `bead ${kind}`, cx: `${at(index)}%`, cy: 8, r: kind === "bad" ? 6 : 4 }));
    }
    bar.replaceChildren(...parts);
  }
  show(null, "queued");
  return { element: bar, show };
}

// The panel of the job that is watched. `watch(id)` turns it to another job.
export function livePanel({ signal, onDuplicate }) {
  const head = h("div", { class: "head" });
  const picture = h("div", { class: "stage" });
  const strip = h("div", { class: "strip", role: "group", "aria-label": "This batch", hidden: true });
  const way = wire();
  const node = h("p", {}), step = h("p", { class: "num" });
  const facts = h("dl", { class: "facts" });
  const actions = h("div", { class: "row" });
  const away = h("div", {}), why = h("div", { class: "reason" });
  const element = h("section", { class: "panel live", "aria-label": "The prompt that is watched", hidden: true }, head,
    h("div", { class: "look" }, picture, strip), h("div", { class: "body stack-16" }, away,
      h("div", { class: "stack" }, way.element, h("div", { class: "row spread" }, node, step)), facts, actions));
  let isPinned = false; // somebody chose this one of the batch: it stays
  let id = null, preview = null, graph = null, ending = null, acted = "", drawnPicture = "", drawnHead = "", drawnActions = "";
  const draw = oncePerFrame(drawNow);

  function watch(next, { pinned = false } = {}) {
    isPinned = pinned;
    if (next === id) return;
    ending?.abort();
    ending = new AbortController();
    signal.addEventListener("abort", () => ending.abort(), { once: true, signal: ending.signal });
    [id, preview, graph, acted, drawnPicture, drawnHead, drawnActions] = [next, null, null, "", "", "", ""];
    fill(away);
    fill(picture);
    graphOf(next).then((found) => { graph = found; draw(); });
    attend(next, { onPreview: (source) => { preview = source; draw(); }, onAway: showAway, signal: ending.signal });
    draw();
  }

  function showAway(isAway, seconds) {
    if (isAway) fill(away, note("warn", h("p", {}, "The service does not answer. What runs goes on; the page asks again.")));
    else fill(away, note("", h("p", {}, `The page was away for ${span(seconds)}. It has caught up: nothing was lost.`)));
  }

  function drawNow() {
    const job = id && jobs.byId.get(id);
    element.hidden = !job;
    if (!job) return;
    if (job.batch_id && !isOpen(job) && !isPinned) {
      const next = jobs.open.filter((one) => one.batch_id === job.batch_id).sort((a, b) => (a.status === "running" ? 0 : 1) - (b.status === "running" ? 0 : 1))[0];
      if (next) watch(next.id);
    }
    const heading = [job.status, jobTitle(job), job.waiting_reason ? 1 : 0].join();
    if (heading !== drawnHead) {
      drawnHead = heading;
      const kind = job.status === "queued" && job.waiting_reason ? "waits" : job.status;
      fill(head, state(kind), h("h2", {}, h("a", { class: "plain", href: `#/job/${job.id}` }, jobTitle(job))));
    }
    drawPicture(job);
    drawStrip(job);
    way.show(job.progress, job.status);
    const current = job.progress?.current_node;
    const words = current && isOpen(job) ? nodeWords(graph, current, job.progress.current_node_class) : null;
    if (words) fill(node, h("span", { class: "strong" }, words.name), " ", h("span", { class: "quiet" }, words.detail));
    else say(node, job.status === "succeeded" ? `${job.outputs.length} ${job.outputs.length === 1 ? "output" : "outputs"} kept` : "");
    say(step, words && job.progress.steps ? `step ${job.progress.step} of ${job.progress.steps}` : "");
    drawFacts(job);
    drawActions(job);
  }

  // Why it waits stands where its picture will be, so that nothing moves when it begins.
  function drawWhy(job) {
    const reason = job.waiting_reason ?? (job.queue_position ? `${job.queue_position === 1000 ? "1000 or more" : job.queue_position} before it.` : "It is next.");
    const begins = job.estimated_start_at ? ` Expected to begin in ${span(-since(job.estimated_start_at))}.` : "";
    fill(why, h("div", { class: "row spread" }, state(job.waiting_reason ? "waits" : "queued", job.queue_position ? `Waits at place ${job.queue_position + 1}` : undefined),
      h("span", { class: "small quiet num" }, `for ${span(since(job.created_at))}`)), h("p", {}, reason, begins));
  }

  function drawPicture(job) {
    const output = job.outputs.find((one) => one.type === "image") ?? job.outputs[0];
    const isWaiting = job.status === "queued";
    if (isWaiting) { preview = null; drawWhy(job); }
    const look = isWaiting ? "waits" : output ? output.id : job.status === "failed" ? "failed" : preview ? `preview ${preview.length} ${preview.slice(-24)}` : "none";
    if (look === drawnPicture) return;
    drawnPicture = look;
    if (isWaiting) fill(picture, why);
    else if (output) fill(picture, h("a", { class: "pic-link", href: `#/view/${job.id}/${job.outputs.indexOf(output)}` }, h("span", { class: "only-read" }, "Look at the result: "), mediaOf(output, { size: 512, alt: jobTitle(job) })));
    else if (job.status === "failed") fill(picture, note("bad", h("h3", {}, "It failed"), h("p", { class: "mono" }, job.error?.message ?? "")));
    else if (preview) {
      const shown = picture.querySelector("img.preview");
      if (shown) shown.src = preview;
      else fill(picture, h("img", { class: "preview", src: preview, alt: "Preview of what is being made" }), h("span", { class: "tag" }, "Preview"));
    } else fill(picture, h("p", { class: "quiet small" }, isOpen(job) ? "No preview yet" : "Nothing was kept"));
  }

  function drawStrip(job) {
    const batch = job.batch_id ? jobs.newest.filter((one) => one.batch_id === job.batch_id).sort((a, b) => (a.batch_index ?? 0) - (b.batch_index ?? 0)) : [];
    strip.hidden = batch.length < 2;
    if (batch.length < 2) return;
    const look = batch.map((one) => `${one.id} ${one.status} ${one.outputs.length} ${one.id === id}`).join();
    if (strip.dataset.look === look) return;
    strip.dataset.look = look;
    fill(strip, batch.slice(0, 12).map((one) => {
      const output = one.outputs.find((candidate) => candidate.type === "image");
      const words = one.inputs?.seed ?? (one.batch_index ?? 0) + 1;
      const mark = { succeeded: "check", failed: "s-failed", running: "s-running" }[one.status] ?? "s-queued";
      const to = { href: `#/job/${one.id}`, "aria-current": one.id === id ? "true" : null, title: `${jobTitle(one)}: ${one.status}`, on: { click: (event) => { event.preventDefault(); watch(one.id, { pinned: true }); } } };
      const tag = h("span", { class: "tag num" }, icon(mark), String(words).slice(-5));
      return output ? h("a", to, mediaOf(output, { size: 128, alt: `Seed ${words}` }), tag) : h("a", { ...to, class: "hole num" }, icon(mark), String(words).slice(-5));
    }));
  }

  function drawFacts(job) {
    const begun = job.started_at;
    const took = begun ? between(begun, job.completed_at ?? Date.now()) : null;
    const left = isOpen(job) && job.estimated_end_at ? Math.max(0, -since(job.estimated_end_at)) : null;
    const rows = [["Server", serverName(job.server) || "none yet"], [job.completed_at ? "Ran for" : "So far", took === null ? "0:00" : span(took)],
      left === null ? null : ["Left", `about ${span(left)}`], left === null || !begun ? null : ["Expected in all", span(took + left)]].filter(Boolean);
    const look = rows.flat().join();
    if (facts.dataset.look === look) return;
    facts.dataset.look = look;
    fill(facts, rows.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
  }

  function drawActions(job) {
    const look = [job.status, acted, job.batch_id].join();
    if (look === drawnActions) return;
    drawnActions = look;
    if (isOpen(job)) {
      const busy = acted === "cancel" || job.status === "canceling";
      fill(actions, button(busy ? "Canceling…" : "Cancel this prompt", { icon: busy ? "again" : "stop", class: busy ? "busy" : "", "aria-disabled": busy ? "true" : null, on: { click: () => act("cancel", `jobs/${job.id}/cancel`) } }),
        job.batch_id && button("Cancel the batch", { class: "bare", on: { click: () => act("cancel", `batches/${job.batch_id}/cancel`) } }),
        button("Duplicate with changes", { class: "bare", on: { click: () => onDuplicate(job) } }));
      return;
    }
    fill(actions, job.status === "succeeded" ? h("a", { class: "btn", href: `#/view/${job.id}/0` }, "Open") : button("Retry as it is", { icon: "again", on: { click: () => act("retry", `jobs/${job.id}/retry`) } }),
      button("Run again with these", { class: "bare", icon: "again", on: { click: () => onDuplicate(job) } }), h("a", { class: "btn bare", href: `#/job/${job.id}` }, "What happened"));
  }

  async function act(name, path) {
    acted = name;
    draw();
    try {
      const answer = await post(path);
      if (answer.outputs) jobs.put(answer);
      await jobs.refresh();
      if (name === "retry") { const again = id; id = null; watch(again); }
    } catch (error) {
      fill(away, note("bad", h("p", {}, error.message)));
    }
    acted = "";
    draw();
  }

  jobs.watch(draw, signal);
  const ticking = setInterval(() => !document.hidden && id && isOpen(jobs.byId.get(id) ?? { status: "" }) && draw(), 1000);
  signal.addEventListener("abort", () => clearInterval(ticking));
  return { element, watch, get id() { return id; } };
}
