// The view "Operate": what needs somebody, the servers, what waits and why, batches, keys, webhooks. What a key may not see
// or change is not there.

import { del, get, post } from "./api.js";
import { asked, confirmed } from "./dialogs.js";
import { button, fill, h, icon, note, state, tell } from "./dom.js";
import { bytes, clock, many, serverName, since, span, title } from "./format.js";
import { meter } from "./picker.js";

const EVERY = 2500;

export async function show(place, _rest, signal) {
  const parts = { head: h("div", { class: "row spread" }), told: h("div", { class: "stack" }), sum: h("div", { class: "sum num" }), servers: section("Servers", h("span", { class: "bar-end" })), queue: section("What waits"), keysWait: section("What waits, by priority and key"), batches: section("Batches"), keys: section("Keys"), webhooks: section("Webhooks") };
  const wrong = h("div", {});
  let isAdmin = false;
  fill(place, h("div", { class: "view operate" }, parts.head, wrong, parts.told, parts.sum, parts.servers.element,
    h("div", { class: "low" }, h("div", { class: "stack-24" }, parts.keysWait.element, parts.queue.element, parts.webhooks.element), h("div", { class: "stack-24" }, parts.batches.element, parts.keys.element))));

  async function act(path, body, words, send = post) {
    try {
      await send(path, body);
      fill(wrong);
      tell(words);
    } catch (error) {
      fill(wrong, note("bad", h("p", {}, error.message)));
    }
    await look();
  }

  async function look() {
    const [fleet, queue, open, { batches }] = await Promise.all([get("servers", { signal }), get("queue", { signal }),
      get("jobs?details=true&limit=100&status=queued,running,canceling", { signal }), get("batches?limit=8", { signal })]);
    if (signal.aborted) return;
    isAdmin = fleet.waiting !== null;
    const jobs = open.jobs.map((one) => one.job);
    drawHead(queue);
    fill(parts.told, fleet.servers.filter(needsSomebody).map((one) => note("warn", h("p", {}, h("span", { class: "strong" }, `${serverName(one.url)} is ${one.state}. `), one.reason))));
    drawSum(fleet.servers, queue);
    drawServers(fleet.servers, jobs);
    drawQueue(jobs.filter((job) => job.status === "queued"), queue, fleet.waiting);
    drawBatches(batches);
    if (isAdmin) drawKeysWait((await get("queue/waiting", { signal })).waiting);
  }

  async function addServer() {
    const fields = [["url", "Address", "with user:password@ if it wants that", { placeholder: "http://127.0.0.1:8188", inputmode: "url" }], ["tags", "Tags", "by which jobs ask for it, with commas", {}], ["slots", "Jobs at a time", "may be empty", { inputmode: "numeric", class: "in num" }]];
    const made = await asked("Add a server", fields, "Add it", ({ url, tags, slots }) => post("servers", { url, tags: tags.split(",").map((tag) => tag.trim()).filter(Boolean), slots: slots === "" ? null : Number(slots) }));
    if (made) { tell(`${serverName(made.url)} is added`); await look(); }
  }

  async function removeServer(one) {
    const name = serverName(one.url);
    const why = one.is_empty ? "No job of the service is on it." : "Jobs that are on it end there; it takes no more.";
    if (await confirmed(`Remove ${name}?`, why, "Remove it")) await act(`servers?url=${encodeURIComponent(one.url)}`, undefined, `${name} is removed`, del);
  }

  function drawKeysWait(waiting) {
    parts.keysWait.element.hidden = waiting.length === 0;
    const isFirst = (one) => waiting.length === 1 || one === waiting[0];
    parts.keysWait.show(h("table", { class: "rows" }, heads("Key", "Priority", "Prompts", "The oldest waits", ""), h("tbody", {}, waiting.map((one) =>
      h("tr", {}, h("td", {}, h("span", { class: "strong" }, one.key_name), one.is_held && h("small", {}, "Some wait for others of their key.")), h("td", { class: "num half", "data-th": "Priority" }, one.priority),
        h("td", { class: "num half", "data-th": "Prompts" }, one.count), h("td", { class: "num half", "data-th": "Waits" }, span(since(one.oldest))),
        h("td", { class: "half acts end" }, !isFirst(one) && button("To the front", { class: "slim", label: `Move what ${one.key_name} has waiting at priority ${one.priority} to the front`, on: { click: () => act("queue/front", { key_id: one.key_id, priority: one.priority }, `${one.key_name} is next`) } })))))));
  }

  const needsSomebody = (one) => one.is_heard && ["stuck", "broken", "down"].includes(one.state) && one.reason !== "not probed yet";

  function drawHead(queue) {
    const end = parts.servers.element.querySelector(".bar-end");
    if (isAdmin && !end.firstChild) fill(end, button("Add a server", { icon: "plus", class: "slim", on: { click: addServer } }));
    const look = `${queue.paused} ${isAdmin}`;
    if (parts.head.dataset.look === look) return;
    parts.head.dataset.look = look;
    fill(parts.head, h("h1", {}, "Operate"), isAdmin && h("div", { class: "row" },
      button(queue.paused ? "Let prompts begin again" : "Pause the queue", { icon: queue.paused ? "run" : "pause", on: { click: () => act(`queue/${queue.paused ? "resume" : "pause"}`, undefined, queue.paused ? "The queue goes on" : "The queue is paused") } })));
  }

  function drawSum(servers, queue) {
    const up = servers.filter((one) => one.is_heard && one.state === "up" && one.wanted === "active").length;
    const facts = [[`${up} of ${servers.filter((one) => one.state !== "gone").length}`, "servers take prompts"], [queue.running + queue.canceling, "prompts run"], [queue.queued, "wait"],
      [queue.oldest ? span(since(queue.oldest)) : "0:00", "the oldest waits"], [queue.paused ? "paused" : "open", "the queue"]];
    fill(parts.sum, facts.map(([number, words]) => h("div", {}, h("b", {}, number), h("span", {}, words))));
  }

  function drawServers(servers, jobs) {
    const rows = servers.filter((one) => one.state !== "gone").map((one) => {
      const running = jobs.filter((job) => job.server === one.url && job.status !== "queued");
      const kind = !one.is_heard ? "down" : one.wanted === "active" ? one.state : one.wanted;
      const device = one.devices[0];
      const [free, total] = [device?.vram_free ?? 0, device?.vram_total ?? 0];
      const used = total ? (total - free) / total : 0;
      return h("tr", {}, h("td", { class: "half" }, h("span", { class: "strong" }, serverName(one.url)), " ", one.tags.map((tag) => h("span", { class: "label-tag" }, tag)), h("small", {}, one.version ? `ComfyUI ${one.version}` : "version not known")),
        h("td", { class: "state-cell" }, state(kind), h("small", { class: "why" }, one.is_removed ? "It was removed: its last jobs end." : !one.is_heard ? "No worker looks after it." : kind === "drained" && one.is_empty ? "Empty: it may be stopped." : one.reason)),
        h("td", { "data-th": "Memory" }, total ? h("div", { class: "mem" }, meter([[used > 0.93 ? "fill high" : "fill", used]]), h("span", { class: "num" }, `${bytes(total - free)} of ${bytes(total)}`)) : h("span", { class: "quiet" }, "not known")),
        h("td", { "data-th": "Loaded", class: "half" }, one.loaded.length ? one.loaded.join(", ") : h("span", { class: "quiet" }, "nothing yet")),
        h("td", { "data-th": "Runs now" }, runs(one, running)), h("td", { "data-th": "Here", class: "half num" }, `${one.running} run, ${one.pending} wait${one.foreign_prompts ? `, ${one.foreign_prompts} of others` : ""}`),
        h("td", { class: "acts" }, isAdmin && actions(one)));
    });
    parts.servers.show(servers.length ? h("table", { class: "rows servers" }, heads("Server", "State", "Memory", "Loaded model", "Runs now", "Prompts", ""), h("tbody", {}, rows)) : h("p", { class: "body quiet" }, "No ComfyUI yet: name one with --server http://127.0.0.1:8188, or add one here."));
  }

  function runs(one, running) {
    if (!running.length) return one.running ? h("span", {}, many(one.running, "prompt"), h("small", {}, one.running_since ? `for ${span(since(one.running_since))}` : "")) : h("span", { class: "quiet" }, "nothing");
    return running.slice(0, 2).map((job) => h("div", { class: "runs-now" }, h("a", { href: `#/job/${job.id}` }, job.workflow_name ? title(job.workflow_name) : "A workflow"), h("small", { class: "num" }, job.started_at ? span(since(job.started_at)) : ""), meter([["live", job.progress?.value ?? 0]])));
  }

  function actions(one) {
    const to = (action, words) => () => act(`servers/${action}`, { url: one.url }, words);
    const name = serverName(one.url);
    if (one.is_removed) return null;
    return h("div", { class: "row" }, one.wanted === "active"
      ? [button("Drain", { icon: "drain", class: "slim", label: `Drain ${name}`, on: { click: to("drain", `${name} drains`) } }), button("Pause", { icon: "pause", class: "slim bare", label: `Pause ${name}`, on: { click: to("pause", `${name} is paused`) } })]
      : button("Take prompts again", { class: "slim", label: `Let ${name} take prompts again`, on: { click: to("resume", `${name} takes prompts`) } }),
      one.is_added && button("", { icon: "close", class: "slim bare icon", label: `Remove ${name}`, on: { click: () => removeServer(one) } }));
  }

  function drawQueue(waiting, queue, demand) {
    parts.queue.words(queue.queued ? `${many(queue.queued, "prompt")} of all keys, ${waiting.length === 100 ? "the first 100" : waiting.length} of yours` : "");
    const byPriority = [...new Set(waiting.map((job) => job.priority))].sort((a, b) => b - a);
    const rows = byPriority.flatMap((priority) => {
      const members = waiting.filter((job) => job.priority === priority).reverse();
      return [h("tr", { class: "sub" }, h("td", { colspan: 4 }, `Priority ${priority} `, h("small", {}, `${members.length} wait`))), ...members.map(queued)];
    });
    const needs = demand?.needs ?? [];
    parts.queue.show(rows.length ? h("table", { class: "rows queue" }, heads("Waits", "Prompt", "Why it waits", ""), h("tbody", {}, rows)) : h("p", { class: "body quiet" }, queue.queued ? "Prompts of other keys wait; none of yours." : "Nothing waits."),
      needs.length > 0 && h("ul", { class: "body stack needs" }, needs.slice(0, 8).map((one) => h("li", { class: "small" }, h("span", { class: "strong num" }, many(one.count, "prompt")), ` since ${clock(one.oldest)}: ${[...one.models, ...one.tags.map((tag) => `tag ${tag}`)].join(", ") || "no model"}`))));
  }

  function queued(job) {
    const reason = h("span", { class: "why" }, job.waiting_reason ?? "");
    if (!job.waiting_reason) get(`jobs/${job.id}`, { signal }).then((whole) => fill(reason, ...(whole.waiting_reason ? [icon("s-waits", "i i-16"), whole.waiting_reason] : [whole.queue_position === 0 ? "It is next." : `${whole.queue_position ?? "Some"} before it.`]))).catch(() => {});
    return h("tr", {}, h("td", { class: "num half", "data-th": "Waits" }, span(since(job.created_at))), h("td", {}, h("a", { href: `#/job/${job.id}` }, job.workflow_name ? title(job.workflow_name) : "A workflow")),
      h("td", { class: "reason" }, reason), h("td", { class: "half acts end" }, button("", { icon: "close", class: "slim icon bare", label: "Cancel", on: { click: () => act(`jobs/${job.id}/cancel`, undefined, "Canceled") } })));
  }

  function drawBatches(batches) {
    parts.batches.show(batches.length ? h("ul", { class: "body stack-24" }, batches.map((one) => {
      const count = (name) => one.counts[name] ?? 0;
      const [ok, live, bad] = [count("succeeded"), count("running") + count("canceling"), count("failed") + count("expired") + count("canceled")];
      return h("li", { class: "stack batch" }, h("div", { class: "row spread" }, h("a", { class: "strong", href: `#/batch/${one.id}` }, many(one.size, "prompt")), h("span", { class: "small quiet num" }, clock(one.created_at))),
        meter([["ok", ok / one.size], ["live", live / one.size], ["wrong", bad / one.size]]),
        h("p", { class: "small num" }, `${ok} succeeded, ${live} run, ${count("queued")} wait`, bad > 0 && [", ", h("span", { class: "bad-word" }, `${bad} ended badly`)]),
        !one.completed_at && button("Cancel the rest", { class: "slim", on: { click: () => act(`batches/${one.id}/cancel`, undefined, "The rest is canceled") } }));
    })) : h("p", { class: "body quiet" }, "No batch yet: several seeds, or a list of values, make one."));
  }

  async function lookAtKeys() {
    const { keys } = await get("keys", { signal });
    const usage = await Promise.all(keys.map((one) => get(`keys/${one.id}/usage?days=7`, { signal }).catch(() => null)));
    const open = keys.map((one, index) => [one, usage[index]]).filter(([one]) => !one.revoked_at);
    parts.keys.show(h("table", { class: "rows keep" }, heads("Key", "Jobs, 7 days", "Run time", "Kept"), h("tbody", {}, open.map(([one, used]) => h("tr", {}, h("td", {}, h("span", { class: "strong" }, one.name), h("small", {}, one.scopes.join(", "))),
      used ? [h("td", { class: "num" }, used.total.jobs), h("td", { class: "num" }, span(used.total.run_seconds)), h("td", { class: "num" }, bytes(used.total.bytes))] : h("td", { colspan: 3, class: "quiet" }, "not known"))))));
  }

  async function lookAtWebhooks() {
    const { deliveries } = await get("webhooks/deliveries?limit=10", { signal });
    parts.webhooks.element.hidden = !deliveries.length;
    if (!deliveries.length) return;
    const kinds = { delivered: "succeeded", given_up: "failed", waiting: "queued" };
    parts.webhooks.show(h("table", { class: "rows" }, heads("When", "What", "State", ""), h("tbody", {}, deliveries.map((one) => h("tr", {}, h("td", { class: "num half", "data-th": "When" }, clock(one.created_at)), h("td", {}, h("a", { href: `#/job/${one.job_id}` }, one.type), h("small", { class: "cut-line" }, one.url)),
      h("td", {}, state(kinds[one.state], { delivered: "Delivered", given_up: "Given up", waiting: "Waits" }[one.state]), h("small", {}, one.log.at(-1) ? `try ${one.log.at(-1).number}: ${one.log.at(-1).status ?? one.log.at(-1).error}` : "")),
      h("td", { class: "half acts end" }, button("Deliver again", { class: "slim", on: { click: async () => { await act(`jobs/${one.job_id}/deliveries/${one.id}/redeliver`, undefined, "It is delivered again"); await lookAtWebhooks(); } } })))))));
  }

  await look();
  for (const part of [parts.keys, parts.webhooks, ...(isAdmin ? [] : [parts.keysWait])]) part.element.hidden = true;
  lookAtWebhooks().catch(() => {});
  if (isAdmin) { parts.keys.element.hidden = false; lookAtKeys().catch((error) => parts.keys.show(h("p", { class: "body error" }, error.message))); }
  const timer = setInterval(() => !document.hidden && look().catch((error) => !signal.aborted && fill(wrong, note("warn", h("p", {}, error.message)))), EVERY);
  signal.addEventListener("abort", () => clearInterval(timer));
}

function section(name, end = null) {
  const words = h("span", { class: "quiet small num" });
  const body = h("div", {});
  let drawn = "";
  return {
    element: h("section", { class: "panel", "aria-label": name }, h("div", { class: "head" }, h("h2", {}, name), words, end), body),
    words: (text) => { words.textContent = text; },
    // Draws only what has changed, so that a button does not go from under a finger.
    show: (...children) => {
      const next = children.filter(Boolean);
      const look = next.map((one) => one.outerHTML).join();
      if (look === drawn || (body.contains(document.activeElement) && document.activeElement.matches("input"))) return;
      const label = body.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
      drawn = look;
      fill(body, next);
      if (label) body.querySelector(`[aria-label="${CSS.escape(label)}"]`)?.focus();
    },
  };
}

const heads = (...names) => h("thead", {}, h("tr", {}, names.map((name) => h("th", { scope: "col" }, name || h("span", { class: "only-read" }, "Actions")))));
