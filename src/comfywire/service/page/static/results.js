// The view "Results": everything that this key made, in rows by day. Only the rows in sight are in the page, so that tens
// of thousands scroll as ten do; their heights are known before their pictures are there.

import { get } from "./api.js";
import { go } from "./route.js";
import { button, fill, h, note, oncePerFrame, tell } from "./dom.js";
import { day, dayKey, dayName, many, title } from "./format.js";
import { byAge, jobs } from "./jobs.js";
import { layout } from "./layout.js";
import { picker } from "./picker.js";
import { entriesOf, keyOf, ratioOf, tile } from "./tiles.js";
import { tray } from "./tray.js";

const PAGE = 100;
const KINDS = [["", "all"], ["image", "pictures"], ["video", "videos"], ["audio", "sound"], ["text", "text"], ["3d", "3D models"], ["file", "files"]];
const STATES = [["", "all"], ["succeeded", "succeeded"], ["failed", "failed"], ["canceled,expired", "ended early"], ["queued,running,canceling", "open"]];
const PICKS = [["", "all"], ["yes", "picked"]];
const DAYS = [["", "all"], ["1", "today"], ["7", "last 7 days"], ["30", "last 30 days"]];
const kept = { scroll: 0, filters: { words: "", workflow: "", label: "", state: "", days: "", kind: "", picked: "" } };

export async function show(place, [batch], signal) {
  const filters = batch ? { words: "", workflow: "", label: "", state: "", days: "", kind: "", picked: "", batch } : kept.filters;
  const found = new Map();
  const selected = new Map();
  let cursor = null, isAsking = false, isAll = false, rows = [], focused = null, generation = 0;
  const count = h("p", { class: "quiet num" });
  const wall = h("div", { class: "wall", role: "group", "aria-label": "Results" });
  const told = h("div", {});
  const bottom = tray({ selected, onChange: () => draw(), onDone: clear });
  const { workflows } = await get("workflows", { signal });
  if (signal.aborted) return;

  function select(entry, event) {
    const key = keyOf(entry);
    const all = entries();
    if (event?.shiftKey && focused) {
      const [from, to] = [all.findIndex((one) => keyOf(one) === focused), all.findIndex((one) => keyOf(one) === key)].sort((a, b) => a - b);
      for (const one of all.slice(Math.max(0, from), to + 1)) if (one.output) selected.set(keyOf(one), one);
    } else if (selected.has(key)) selected.delete(key);
    else selected.set(key, entry);
    focused = key;
    bottom.draw();
    render(true);
  }

  function clear() { selected.clear(); bottom.draw(); render(true); }

  const query = () => {
    const asked = new URLSearchParams({ details: "true", limit: PAGE });
    if (filters.state) asked.set("status", filters.state);
    if (filters.words.trim()) asked.set("words", filters.words.trim());
    if (filters.kind) asked.set("kind", filters.kind);
    if (filters.days) asked.set("since", earliest().toISOString());
    if (filters.picked) asked.set("metadata[picked]", "yes");
    if (filters.workflow) asked.set("workflow", filters.workflow);
    if (filters.batch) asked.set("batch_id", filters.batch);
    const at = filters.label.indexOf(":");
    if (at > 0) asked.set(`metadata[${filters.label.slice(0, at).trim()}]`, filters.label.slice(at + 1).trim());
    if (cursor) asked.set("cursor", cursor);
    return asked;
  };

  async function more() {
    if (isAsking || isAll) return;
    isAsking = true;
    const mine = generation;
    try {
      const page = await get(`jobs?${query()}`, { signal });
      if (mine !== generation) return;
      for (const { job, batch_index } of page.jobs) found.set(job.id, { ...job, batch_index });
      cursor = page.next_cursor;
      isAll = !cursor;
      fill(told);
    } catch (error) {
      if (signal.aborted) return;
      isAll = true;
      fill(told, note("bad", h("p", {}, error.message), button("Ask again", { class: "slim", on: { click: () => { isAll = false; more(); } } })));
    } finally {
      isAsking = false;
    }
    draw();
  }

  const earliest = () => (filters.days ? new Date(new Date().setHours(0, 0, 0, 0) - (filters.days - 1) * 86400e3) : null);

  const kindOf = (output) => (output?.kind === "3d" ? "3d" : output?.type === "latent" ? "file" : output?.type);
  const entries = () => [...found.values()].sort(byAge).flatMap(entriesOf).filter(({ output }) => !filters.kind || kindOf(output) === filters.kind);

  const draw = oncePerFrame(() => {
    if (signal.aborted) return;
    const all = entries();
    rows = layout(all, { width: wall.clientWidth, ratio: ratioOf, keyOfDay: ({ job }) => dayKey(job.created_at), isNarrow: innerWidth <= 640 });
    const tall = rows.length ? rows.at(-1).y + rows.at(-1).height : 0;
    wall.style.setProperty("height", `${tall}px`);
    const isFiltered = Object.values(filters).some(Boolean);
    fill(count, `${many(all.length, "result")}${isAll ? "" : " so far"}${isFiltered ? " match. " : ""}`, isFiltered && !batch && h("a", { href: "#/results", on: { click: showAll } }, "Show all"));
    if (!all.length && isAll) fill(told, note("", h("p", {}, isFiltered ? "Nothing is like that. Take a filter away." : "Nothing was made yet: run a workflow, and its results stand here.")));
    render(true);
  });

  const drawn = new Map();
  const render = (isAfresh = false) => {
    const [top, end] = [scrollY - wall.offsetTop - innerHeight, scrollY - wall.offsetTop + 2 * innerHeight];
    const wanted = rows.filter((row) => row.y + row.height >= top && row.y <= end);
    const keys = new Set(wanted.map((row) => row.key));
    for (const [key, element] of drawn) if (!keys.has(key)) { element.remove(); drawn.delete(key); }
    for (const row of wanted) {
      const look = row.look(selected);
      const known = drawn.get(row.key);
      if (known?.dataset.look === look && known.style.top === `${row.y}px`) continue;
      const hadFocus = known?.contains(document.activeElement);
      const element = row.kind === "day" ? dayHead(row) : tiles(row);
      element.style.setProperty("top", `${row.y}px`);
      element.dataset.look = look;
      known ? known.replaceWith(element) : wall.append(element);
      drawn.set(row.key, element);
      if (hadFocus) focusOn(focused);
    }
    if (isAfresh) roving();
    if (!isAll && (!rows.length || rows.at(-1).y < end + innerHeight)) more();
  };

  function dayHead({ entry, count }) {
    return h("div", { class: "day wall-row" }, h("h2", {}, dayName(entry.job.created_at)), h("span", { class: "quiet small num" }, `${day(entry.job.created_at)} · ${count}`));
  }

  function tiles(row) {
    return h("div", { class: "wall-row wall-tiles" }, row.cells.map(({ entry, width, height }) => {
      const key = keyOf(entry);
      const one = tile(entry, { isSelected: selected.has(key), onSelect: select, tabindex: key === focused ? "0" : "-1" });
      one.style.setProperty("width", `${width}px`);
      one.style.setProperty("--h", `${height}px`);
      return one;
    }));
  }

  function roving() {
    const links = [...wall.querySelectorAll(".tile > .pic-link")];
    if (links.length && !links.some((one) => one.tabIndex === 0)) links[0].tabIndex = 0;
  }

  function focusOn(key) {
    for (const one of wall.querySelectorAll(".tile > .pic-link")) one.tabIndex = one.parentElement.dataset.key === key ? 0 : -1;
    wall.querySelector(`.tile[data-key="${CSS.escape(key)}"] > .pic-link`)?.focus();
  }

  function move(event) {
    const current = event.target.closest(".tile")?.dataset.key;
    if (!current) return;
    const all = entries();
    const at = all.findIndex((one) => keyOf(one) === current);
    if (event.key === " " && all[at].output) { event.preventDefault(); select(all[at], event); return; }
    const row = rows.findIndex((one) => one.cells?.some(({ entry }) => keyOf(entry) === current));
    const column = rows[row]?.cells.findIndex(({ entry }) => keyOf(entry) === current);
    const beyond = (by) => { let next = row + by; while (rows[next] && !rows[next].cells) next += by; const cells = rows[next]?.cells; return cells && cells[Math.min(column, cells.length - 1)].entry; };
    const to = { ArrowRight: all[at + 1], ArrowLeft: all[at - 1], ArrowDown: beyond(1), ArrowUp: beyond(-1), Home: all[0], End: all.at(-1) }[event.key];
    if (!to) return;
    event.preventDefault();
    focused = keyOf(to);
    const next = rows.find((one) => one.cells?.some(({ entry }) => keyOf(entry) === focused));
    const y = wall.offsetTop + next.y;
    if (y < scrollY + 72 || y + next.height > scrollY + innerHeight - 80) scrollTo({ top: y - innerHeight / 3 });
    render();
    focusOn(focused);
  }

  function begin() {
    generation += 1;
    [cursor, isAll, isAsking] = [null, false, false];
    found.clear();
    selected.clear();
    bottom.draw();
    more();
  }

  function showAll(event) {
    event.preventDefault();
    Object.assign(kept.filters, { words: "", workflow: "", label: "", state: "", days: "", kind: "", picked: "" });
    dispatchEvent(new Event("hashchange"));
  }

  function choose(name, label, choices) {
    const pick = picker({ label, choices, value: filters[name], look: "filter", prefix: label, onPick: (value) => { filters[name] = value; pick.element.firstChild.classList.toggle("on", Boolean(value)); begin(); } });
    pick.element.firstChild.classList.toggle("on", Boolean(filters[name]));
    return pick.element;
  }

  let typing = 0;
  const words = h("input", { class: "in", type: "search", "aria-label": "Words in inputs and labels", placeholder: "Words in inputs and labels", value: filters.words, on: { input: () => { filters.words = words.value; clearTimeout(typing); typing = setTimeout(begin, 250); } } });
  const label = h("input", { class: "in label-in", "aria-label": "Label, as name: value", placeholder: "Label, as name: value", value: filters.label, on: { change: () => { filters.label = label.value; begin(); } } });
  fill(place, h("div", { class: "view stack-16 results" },
    h("div", { class: "row spread" }, h("h1", {}, batch ? "One batch" : "Results"), count),
    h("div", { class: "filters", role: "search", "aria-label": "Filter results" }, words,
      choose("workflow", "Workflow", [["", "all"], ...workflows.map((one) => [one.name, title(one.name)])]), label,
      choose("state", "State", STATES), choose("days", "Day", DAYS), choose("kind", "Kind", KINDS), batch && choose("picked", "Pick", PICKS)),
    told, wall, bottom.element));
  wall.addEventListener("keydown", move);
  wall.addEventListener("focusin", (event) => { focused = event.target.closest(".tile")?.dataset.key ?? focused; });
  longPress(wall, (key) => { const entry = entries().find((one) => keyOf(one) === key); if (entry?.output) { select(entry); tell("Selected"); } });
  const onScroll = oncePerFrame(() => { if (!signal.aborted) render(); });
  addEventListener("scroll", () => { kept.scroll = scrollY; onScroll(); }, { signal, passive: true });
  const watching = new ResizeObserver(() => draw());
  watching.observe(wall);
  signal.addEventListener("abort", () => watching.disconnect());
  await more();
  if (kept.scroll && !batch) { draw(); requestAnimationFrame(() => scrollTo(0, kept.scroll)); }
  const fits = (job) => !filters.state && !filters.label && !filters.words && !filters.kind && !filters.picked && (!filters.workflow || filters.workflow === job.workflow_name) && (!filters.batch || filters.batch === job.batch_id);
  // What runs now changes in place; what is new comes in at the top, unless a filter says otherwise.
  jobs.watch(() => {
    let isNews = false;
    for (const job of jobs.newest) {
      const known = found.get(job.id);
      if (known ? known.status !== job.status || known.outputs.length !== job.outputs.length || known.progress?.step !== job.progress?.step || known.metadata?.picked !== job.metadata?.picked : fits(job)) { found.set(job.id, { ...known, ...job }); isNews = true; }
    }
    if (isNews) draw();
  }, signal);
}

// A thumb that stays selects.
function longPress(element, act) {
  let timer = 0;
  const stop = () => clearTimeout(timer);
  element.addEventListener("pointerdown", (event) => {
    const key = event.target.closest(".tile")?.dataset.key;
    if (event.pointerType !== "touch" || !key) return;
    timer = setTimeout(() => { act(key); element.addEventListener("click", (click) => click.preventDefault(), { once: true, capture: true }); }, 500);
  });
  for (const name of ["pointerup", "pointercancel", "pointermove"]) element.addEventListener(name, stop);
  element.addEventListener("contextmenu", (event) => { if (event.pointerType === "touch") event.preventDefault(); });
}
