// The form of one workflow: its fields in groups, several seeds or a list as a batch, presets, and the button that runs it.

import { del, get, postOnce, put } from "./api.js";
import { button, fill, h, icon, note, say, tell } from "./dom.js";
import { framed, field } from "./fields.js";
import { title } from "./format.js";
import { jobs } from "./jobs.js";
import { keepForm, keptForm } from "./kept.js";
import { isInField } from "./keys.js";
import { picker } from "./picker.js";
import { groups, isFile, listed, rolled, seedsFrom } from "./parameters.js";

const MOST_SEEDS = 32;

// `given` is the inputs of a job that is to be run again; else what was set last stands. `fileField` makes the field of a file; whoever opens a workflow without any needs none.
export function workflowForm(workflow, { given, onStarted, fileField, signal }) {
  const parameters = listed(workflow);
  const values = { ...Object.fromEntries(parameters.map((one) => [one.name, one.type === "seed" ? undefined : one.default])), ...(given ?? keptForm(workflow.name)) };
  const fields = new Map();
  const told = h("div", { class: "form-told" });
  const run = h("button", { class: "btn main", type: "submit" }, icon("run"), h("span", {}, "Run"));
  const expected = h("p", { class: "small quiet num" });
  const seed = parameters.find((one) => one.type === "seed");
  const batch = batchFields(parameters, seed, changed);
  const context = { fileField, usesMask: (one) => readsMask(workflow, one), pictureFor: () => [...fields].find(([one]) => one.type === "image")?.[1].picture };

  for (const one of parameters) fields.set(one, field(one, values[one.name], changed, context));
  const sets = groups(parameters).map(([name, members]) => group(name, members));
  const form = h("form", { class: "panel form", "aria-label": title(workflow.name), novalidate: true, on: { submit, keydown } },
    h("div", { class: "body stack" }, h("h1", {}, title(workflow.name)), workflow.description && h("p", { class: "quiet" }, workflow.description),
      h("div", { class: "row" }, h("span", { class: "label-tag" }, `version ${workflow.version}`), presets())),
    sets, told, h("div", { class: "runbar" }, run, expected, h("kbd", {}, "Ctrl ↵")));

  function group(name, members) {
    const isLast = name === "Seed and batch";
    if (!members.length && !isLast) return null;
    const parts = [];
    for (let index = 0; index < members.length; index += 1) {
      const [one, next] = [members[index], members[index + 1]];
      const isShort = (candidate) => candidate && (candidate.choices?.length > 0) && candidate.name.length < 16;
      if (isShort(one) && isShort(next)) { parts.push(h("div", { class: "two" }, fields.get(one).element, fields.get(next).element)); index += 1; } else parts.push(fields.get(one).element);
    }
    return h("fieldset", { class: "group" }, h("legend", {}, isLast && !seed ? "Batch" : name), parts, isLast && batch.element);
  }

  function inputs() {
    const found = {};
    for (const [one, control] of fields) {
      const value = control.value;
      const isDefault = value === one.default && (one.type === "text" || one.type === "float"); // the service has it exactly
      if (value !== undefined && !isDefault) found[one.name] = value;
    }
    return found;
  }

  function changed() {
    keepForm(workflow.name, inputs());
    const count = batch.count();
    say(run.lastChild, count === 1 ? "Run" : `Run ${count} prompts`);
  }

  async function submit(event) {
    event?.preventDefault();
    if (run.disabled) return;
    run.disabled = true;
    say(run.lastChild, "Sending…");
    await Promise.all([...fields.values()].map((control) => control.sending)); // files that are still on their way
    run.disabled = false;
    changed();
    const wrong = [...fields].filter(([, control]) => !control.check());
    if (wrong.length || !batch.check()) {
      (wrong[0]?.[1].element ?? batch.element).querySelector("input, textarea, button")?.focus();
      return;
    }
    fill(told);
    run.disabled = true;
    say(run.lastChild, "Sending…");
    try {
      await started(inputs());
    } catch (error) {
      fill(told, note("bad", h("p", {}, error.message)));
      tell(error.message);
    } finally {
      run.disabled = false;
      changed();
    }
  }

  async function started(found) {
    const entries = batch.entries(found);
    if (entries.length === 1) {
      const job = await postOnce(`workflows/${workflow.name}/jobs?version=${workflow.version}`, { inputs: entries[0] });
      jobs.put(job);
      onStarted(job.id, null);
    } else {
      const made = await postOnce("batches", { name: workflow.name, version: workflow.version, inputs: entries });
      await jobs.refresh();
      onStarted(made.job_ids[0], made);
    }
    tell(entries.length === 1 ? "Queued" : `${entries.length} prompts are queued`);
  }

  function keydown(event) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) submit(event);
  }

  function show(next) {
    for (const [one, control] of fields) control.show(one.name in next ? next[one.name] : one.type === "seed" ? undefined : one.default);
    changed();
  }

  function presets() {
    const place = h("span", { class: "row" });
    const address = `workflows/${workflow.name}/presets`;
    async function draw(chosen) {
      let known = [];
      try { ({ presets: known } = await get(address, { signal })); } catch { return; }
      const choices = [["", known.length ? "Preset: none" : "No preset yet"], ...known.map((one) => [one.name, `Preset: ${one.name}`])];
      const pick = picker({ label: "Preset", choices, value: chosen ?? "", look: "slim", onPick: (name) => { const one = known.find((preset) => preset.name === name); if (one) show(one.inputs); draw(name); } });
      const save = button("Save these values", { class: "slim bare", on: { click: () => ask(place, chosen, keep) } });
      const drop = chosen && button("", { icon: "close", class: "slim bare icon", label: `Delete the preset ${chosen}`, on: { click: async () => { await del(`${address}/${encodeURIComponent(chosen)}`); draw(); } } });
      fill(place, known.length > 0 && pick.element, drop, save);
    }
    async function keep(name) {
      const kept = inputs();
      try {
        await put(`${address}/${encodeURIComponent(name)}`, { inputs: kept });
        tell(`${name} is saved`);
        await draw(name);
      } catch (error) {
        fill(told, note("bad", h("p", {}, error.message)));
        await draw();
      }
    }
    draw();
    return place;
  }

  document.addEventListener("keydown", (event) => {
    if (isInField(event) || event.ctrlKey || event.metaKey) return;
    if (event.key === "r" && seed) fields.get(seed).show(rolled(), true);
  }, { signal });
  changed();
  return { element: form, show, ran: (job) => seed && job.inputs?.[seed.name] !== undefined && fields.get(seed).ran(job.inputs[seed.name]), expect: (words) => say(expected, words) };
}

// Asks for a name in place of the buttons.
function ask(place, usual, onName) {
  const input = h("input", { class: "in slim-in", "aria-label": "Name of the preset", placeholder: "Name", value: usual ?? "", maxlength: 100, on: { keydown: (event) => event.key === "Enter" && (event.preventDefault(), save()) } });
  const save = () => input.value.trim() && onName(input.value.trim());
  fill(place, input, button("Save", { class: "slim", on: { click: save } }));
  input.focus();
}

// Whether a node reads the mask that LoadImage makes of a picture's transparency.
function readsMask(workflow, one) {
  const nodes = (one.inputs ?? []).map((target) => target.split(".")[0]);
  return Object.values(workflow.workflow ?? {}).some((node) => Object.values(node.inputs ?? {})
    .some((value) => Array.isArray(value) && value.length === 2 && value[1] === 1 && nodes.includes(value[0])));
}

// One prompt, several seeds, or a list of values of one input.
function batchFields(parameters, seed, onChange) {
  const choices = [["one", "One"], seed && ["seeds", "Several seeds"], ["list", "A list"]].filter(Boolean);
  let how = "one";
  const body = h("div", { class: "stack" });
  const radios = h("div", { class: "seg", role: "radiogroup", "aria-label": "How many" }, choices.map(([value, words]) =>
    h("label", {}, h("input", { type: "radio", name: "how-many", value, checked: value === how, on: { change: () => { how = value; draw(); onChange(); } } }), words)));
  const listable = parameters.filter((one) => !isFile(one) && one.type !== "seed");
  const range = h("input", { type: "range", id: "seed-count", min: 2, max: MOST_SEEDS, value: 4, on: { input: () => { number.value = range.value; follow(); onChange(); } } });
  const number = h("input", { class: "in", inputmode: "numeric", "aria-label": "Seeds, as a number", value: "4", on: { input: () => { range.value = number.value; follow(); onChange(); } } });
  const lines = h("textarea", { class: "area", id: "list-values", rows: 4, on: { input: onChange } });
  const seedsFrame = framed({ label: "Seeds" }, "seed-count", h("div", { class: "pair" }, range, number), `2 to ${MOST_SEEDS}`);
  const linesFrame = framed({ label: "Values, one a line" }, "list-values", lines);
  const which = listable.length ? picker({ label: "Input", choices: listable.map((one) => [one.name, one.label]), value: listable[0].name, onPick: onChange }) : null;
  const follow = () => range.style.setProperty("--fill", `calc(10px + ${(range.value - 2) / (MOST_SEEDS - 2)} * (100% - 20px))`);
  const values = () => lines.value.split("\n").map((line) => line.trim()).filter(Boolean);
  const count = () => (how === "seeds" ? Math.min(Math.max(2, Math.floor(Number(number.value)) || 2), 1000) : how === "list" ? Math.max(1, values().length) : 1);

  function draw() {
    fill(body, how === "seeds" && seedsFrame.element, how === "list" && [h("div", { class: "field" }, h("span", { class: "label" }, "Input"), which?.element), linesFrame.element]);
  }

  function entries(found) {
    if (how === "seeds") {
      const first = found[seed.name] === "random" ? rolled() : String(found[seed.name]);
      return seedsFrom(first, count()).map((one) => ({ ...found, [seed.name]: one }));
    }
    return how === "list" ? values().map((value) => ({ ...found, [which.value]: value })) : [found];
  }

  const check = () => how !== "list" || linesFrame.complain(values().length ? "" : "Write one value a line: each becomes a prompt.");
  follow();
  draw();
  return { element: h("div", { class: "stack" }, h("div", { class: "field" }, h("span", { class: "label" }, "How many"), radios), body), count, entries, check };
}
