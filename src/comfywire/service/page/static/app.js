// The shell: the bar, the views and their addresses, who is signed in. Each view is a module that is loaded when it is
// first looked at; it gets a place, the rest of its address, and a signal that ends with it.

import { get, onSignedOut, signOut } from "./api.js";
import { allStyles, brandIcon, button, fill, h, icon, note, say, state, tell } from "./dom.js";
import { jobs } from "./jobs.js";
import { forget, keepAgain, onLeft, tellTabs } from "./kept.js";
import { shortcuts } from "./keys.js";

const VIEWS = {
  run: { title: "Run", module: () => import("./run.js"), tab: "run" },
  results: { title: "Results", module: () => import("./results.js"), tab: "results" },
  view: { title: "Result", module: () => import("./viewer.js"), tab: "results", isBare: true },
  job: { title: "Job", module: () => import("./job.js"), tab: "results" },
  batch: { title: "Batch", module: () => import("./batch.js"), tab: "results" },
  operate: { title: "Operate", module: () => import("./operate.js"), tab: "operate" },
  register: { title: "Register a workflow", module: () => import("./register.js"), tab: "run" },
  shared: { title: "A shared run", module: () => import("./shared.js"), isBare: true },
};
const TABS = ["run", "results", "operate"];
const THEME = "comfywire.theme";

const app = document.getElementById("app");
const place = h("main", { id: "content", tabindex: "-1" });
const pulse = h("a", { class: "pulse num", href: "#/operate" });
const tabs = h("nav", { class: "tabs", "aria-label": "Views" }, TABS.map((name) =>
  h("a", { href: `#/${name}`, data: { tab: name } }, icon(name), VIEWS[name].title)));
const editor = h("a", { class: "pulse", href: document.body.dataset.editor ?? "", hidden: !document.body.dataset.editor, title: "ComfyUI's own editor" }, "Editor");
const leave = button("Sign out", { icon: "key", class: "bare who", label: "Sign out", hidden: true, on: { click: out } });
const bar = h("header", { class: "bar" },
  h("a", { class: "skip", href: "#content", on: { click: toContent } }, "Go to the content"),
  h("a", { class: "brand", href: "#/run" }, brandIcon(), "Comfywire"), tabs,
  h("div", { class: "bar-end" }, editor, pulse,
    button("", { icon: "theme", class: "bare icon", label: "Light or dark", on: { click: switchTheme } }), leave));

let ending = new AbortController();
let isSignedOut = false;
let wasSignedIn = false;

function toContent(event) {
  event.preventDefault();
  place.focus();
}

// Opens the view that the address names.
async function open() {
  const [name = "", ...rest] = location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  const view = VIEWS[name] ?? VIEWS.run;
  ending.abort();
  ending = new AbortController();
  const { signal } = ending;
  bar.hidden = Boolean(view.isBare);
  document.body.classList.toggle("bare", Boolean(view.isBare));
  for (const tab of tabs.children) {
    if (tab.dataset.tab === view.tab) tab.setAttribute("aria-current", "page");
    else tab.removeAttribute("aria-current");
  }
  document.title = `${view.title} · Comfywire`;
  try {
    const [{ show }] = await Promise.all([view.module(), view === VIEWS.run || allStyles()]);
    if (!signal.aborted) await show(place, rest, signal);
    // Who came by the keyboard goes on where the view begins.
    if (!signal.aborted && document.activeElement === document.body) place.focus({ preventScroll: true });
  } catch (error) {
    if (!signal.aborted && !isSignedOut) fill(place, h("div", { class: "view stack-16" }, h("h1", {}, view.title), note("bad", h("p", {}, error.message))));
  }
}

async function askForKey() {
  if (isSignedOut || location.hash.startsWith("#/shared/")) return;
  isSignedOut = true;
  ending.abort();
  jobs.pause();
  forget();
  // What the views still know goes with the document.
  if (wasSignedIn) return location.reload();
  const [{ showSignIn }] = await Promise.all([import("./signin.js"), allStyles()]);
  for (const part of [tabs, editor, pulse, leave]) part.hidden = true;
  bar.hidden = false;
  showSignIn(place, begin);
}

async function begin() {
  isSignedOut = false;
  keepAgain();
  for (const part of [tabs, pulse]) part.hidden = false;
  editor.hidden = !document.body.dataset.editor;
  showKey();
  jobs.resume();
  beat();
  await open();
}

// Who is signed in; nobody has to be on the service's own machine.
async function showKey() {
  const who = await get("session").catch(() => null);
  wasSignedIn = who !== null;
  leave.hidden = !who || who.name === "local";
  const word = `Key: ${who?.name ?? ""}. Sign out`;
  say(leave.querySelector("span"), `Key: ${who?.name ?? ""}`);
  leave.setAttribute("aria-label", word);
  leave.title = word;
}

async function out() {
  const editors = document.body.dataset.editor && await import("./leaving.js");
  isSignedOut = true; // a poll that is refused meanwhile starts nothing
  try {
    await signOut();
    if (editors) editors.forgetEditor();
    tellTabs();
  } finally {
    isSignedOut = false;
  }
  await askForKey();
}

async function beat() {
  if (document.hidden || isSignedOut || bar.hidden) return;
  try {
    const queue = await get("queue");
    const parts = [];
    if (queue.running + queue.canceling) parts.push(state("running", `${queue.running + queue.canceling} run`));
    if (queue.queued) parts.push(h("span", {}, `${queue.queued} wait`));
    if (queue.paused) parts.push(state("paused", "Paused"));
    fill(pulse, parts.length ? parts : h("span", { class: "quiet" }, "Idle"));
  } catch (error) {
    if (error.status === 0) fill(pulse, state("stuck", "No answer"));
  }
}

function switchTheme() {
  const root = document.documentElement;
  const wasDark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = wasDark ? "light" : "dark";
  localStorage.setItem(THEME, root.dataset.theme);
  tell(wasDark ? "Light" : "Dark");
}

const kept = localStorage.getItem(THEME);
if (kept === "light" || kept === "dark") document.documentElement.dataset.theme = kept;
fill(app, bar, place);
onSignedOut(askForKey);
onLeft(askForKey);
addEventListener("hashchange", open);
addEventListener("keydown", (event) => shortcuts(event, { 1: "#/run", 2: "#/results", 3: "#/operate" }, async () => (await import("./keys_help.js")).keysHelp()));
document.addEventListener("visibilitychange", beat);
setInterval(beat, 4000);
fill(pulse, h("span", { class: "quiet" }, "Queue")); // a link has a name at any time
jobs.resume();
let openBefore = 0;
jobs.addEventListener("change", () => { if (jobs.open.length !== openBefore) { openBefore = jobs.open.length; beat(); } });
beat();
showKey();
open();
