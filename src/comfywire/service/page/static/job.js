// One job: what it made and what made it, what happened and when; or why it failed, and what can be done.

import { get, post } from "./api.js";
import { button, fill, h, icon, note, state } from "./dom.js";
import { copyAs, inputsOf, sharing } from "./about.js";
import { between, bytes, clockSeconds, day, many, serverName, span } from "./format.js";
import { isOpen, jobs } from "./jobs.js";
import { attend, graphOf, jobTitle, livePanel, nodeWords, wire } from "./live.js";
import { runAgain } from "./run.js";
import { altOf, mediaOf } from "./tiles.js";
import { download } from "./tray.js";

const MARKS = { queued: "s-queued", running: "run", canceling: "s-canceling", succeeded: "check", failed: "s-failed", canceled: "s-canceled", expired: "s-expired" };
const WORDS = { queued: "Queued.", running: "Began to run.", canceling: "Somebody wants it to end.", succeeded: "Succeeded.", failed: "Failed.", canceled: "Canceled.", expired: "Expired." };

export async function show(place, [id], signal) {
  jobs.put(await get(`jobs/${id}`, { signal }));
  if (signal.aborted) return;
  let status = "";
  const body = h("div", { class: "view stack-24" });
  fill(place, body);
  const draw = async () => {
    const job = jobs.byId.get(id);
    const look = `${job.status} ${job.outputs.length}`;
    if (look === status) return;
    status = look;
    const [{ transitions }, graph] = await Promise.all([get(`jobs/${id}/transitions`, { signal }), graphOf(id)]);
    if (signal.aborted) return;
    document.title = `${jobTitle(job)} · Comfywire`;
    fill(body, head(job), h("div", { class: "job" },
      h("div", { class: "stack-24" }, job.status === "failed" && failure(job, graph), isOpen(job) && watched(id, signal), job.outputs.length > 0 && outputs(job, graph),
        panel("Inputs", inputsOf(job))),
      h("div", { class: "stack-24" }, h("section", { class: "panel" }, h("div", { class: "head" }, h("h2", {}, "What happened")), story(transitions)), job.warnings.map((words) => note("warn", h("p", {}, words))),
        h("div", { class: "panel about" }, copyAs(job)), !isOpen(job) && job.outputs.length > 0 && h("div", { class: "panel about" }, sharing(job)))));
  };
  jobs.watch(draw, signal);
  if (isOpen(jobs.byId.get(id))) attend(id, { signal });

  async function act(path) {
    const job = await post(path);
    jobs.put({ ...job });
    if (isOpen(job)) attend(id, { signal });
  }

  function head(job) {
    const times = [`waited ${span(between(job.created_at, job.started_at ?? job.completed_at ?? Date.now()))}`, job.started_at && `ran ${span(between(job.started_at, job.completed_at ?? Date.now()))}`, job.submissions > 1 && many(job.submissions, "attempt")].filter(Boolean);
    const entries = job.outputs.map((output, index) => ({ job, output, index }));
    return h("div", { class: "row spread" }, h("div", { class: "stack" }, h("div", { class: "row" }, state(job.status), h("h1", {}, jobTitle(job))),
      h("p", { class: "quiet small num" }, "Job ", h("span", { class: "mono" }, job.id), ` · ${times.join(", ")}`)),
    h("div", { class: "row" }, button(isOpen(job) ? "Duplicate with changes" : "Run again with these", { icon: "again", class: job.status === "failed" || isOpen(job) ? "" : "main", on: { click: () => runAgain(job) } }),
      !isOpen(job) && job.status !== "succeeded" && button("Retry as it is", { icon: "again", on: { click: () => act(`jobs/${id}/retry`) } }),
      isOpen(job) && button("Cancel", { icon: "stop", on: { click: () => act(`jobs/${id}/cancel`) } }),
      entries.length > 0 && button(entries.length > 1 ? `Download all ${entries.length}` : "Download", { icon: "download", on: { click: () => download(entries) } })));
  }
}

const panel = (name, ...children) => h("section", { class: "panel" }, h("div", { class: "head" }, h("h2", {}, name)), h("div", { class: "body" }, children));

function watched(id, signal) {
  const live = livePanel({ signal, onDuplicate: runAgain });
  live.watch(id);
  return live.element;
}

function outputs(job, graph) {
  const size = job.outputs.reduce((sum, one) => sum + one.size_bytes, 0);
  return h("section", { class: "panel" }, h("div", { class: "head" }, h("h2", {}, "Outputs"), h("span", { class: "quiet small num" }, `${many(job.outputs.length, "file")}, ${bytes(size)}, kept until ${day(job.expires_at)}`)),
    h("div", { class: job.outputs.length === 1 ? "outs one" : "outs" }, job.outputs.map((output, index) => h("figure", { class: "out" },
      h("a", { class: "out-pic checks", href: `#/view/${job.id}/${index}` }, h("span", { class: "only-read" }, `Look at ${output.name}: `), mediaOf(output, { size: 512, alt: altOf(job) })),
      h("figcaption", { class: "small" }, h("span", { class: "strong cut-line" }, output.name), h("span", { class: "quiet num" }, `${nodeWords(graph, output.node_id, output.class_type).name} · ${output.width ? `${output.width} × ${output.height} · ` : ""}${bytes(output.size_bytes)}`))))));
}

function failure(job, graph) {
  const { error } = job;
  const words = error.node_id ? nodeWords(graph, error.node_id, error.class_type) : null;
  const way = wire();
  way.element.setAttribute("aria-label", "How far it came");
  way.show(job.progress, "failed");
  const isMemory = /memory/i.test(error.message);
  return h("section", { class: "panel" }, h("div", { class: "body stack-16" },
    note("bad", h("h2", {}, words ? `${words.name} failed` : "It failed"), words && h("p", {}, `${words.detail}, on ${serverName(job.server)}. The server says:`), h("p", { class: "mono" }, error.message)),
    job.progress && way.element,
    h("div", { class: "stack" }, h("h2", {}, "What you can do"), h("ol", { class: "todo stack" },
      h("li", {}, h("div", {}, h("p", { class: "strong" }, isMemory ? "Make it smaller." : "Change what it was given."), h("p", { class: "quiet small" }, isMemory ? "A smaller size, or fewer at a time, needs less memory at this node." : "The form opens with the same inputs.")),
        button("Duplicate with changes", { class: "main slim", on: { click: () => runAgain(job) } })))),
    error.traceback && h("details", {}, h("summary", {}, `Traceback, ${many(error.traceback.trim().split("\n").length, "line")}`), h("pre", { class: "code", tabindex: "0" }, error.traceback))));
}

function story(transitions) {
  return h("ol", { class: "body story" }, transitions.map((one) => {
    const isTaken = one.to_status === "queued" && one.from_status === "queued";
    const again = one.to_status === "queued" && one.from_status && !isTaken;
    const look = one.to_status === "failed" ? "bad" : one.to_status === "running" ? "live" : again ? "warn" : "";
    const mark = icon(isTaken ? "send" : MARKS[one.to_status], `i dot ${look}`);
    const words = one.to_status === "running" && one.server ? `${serverName(one.server)} began to run it.` : isTaken ? (one.server ? `Sent to ${serverName(one.server)}.` : "Taken from the queue.") : again ? "Queued again." : WORDS[one.to_status];
    return h("li", {}, h("time", { datetime: one.at }, clockSeconds(one.at)), mark, h("div", {}, h("p", {}, words), one.reason && h("p", {}, one.reason)));
  }));
}
