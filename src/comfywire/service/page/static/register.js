// Registers a workflow: looks at a file, lets somebody choose what others may set, and gives it a name.

import { ApiError, get, put } from "./api.js";
import { button, fill, h, icon, note, state, tell } from "./dom.js";
import { dropZone, takeDropped } from "./drop.js";
import { Float, fromJsonWithFloats } from "./floats.js";
import { many, serverName, shorten } from "./format.js";
import { toJson } from "./numbers.js";
import { go } from "./route.js";
import { inspect } from "./sending.js";

const slug = (name) => name.replace(/\.(app\.)?\w+$/, "").replace(/[^A-Za-z0-9._-]+/g, "-").replace(/^[^A-Za-z0-9]+|-+$/g, "").slice(0, 64) || "workflow";

export async function show(place, [kind, jobId], signal) {
  const file = takeDropped();
  const input = h("input", { type: "file", class: "only-read", tabindex: "-1", "aria-label": "Workflow file", on: { change: () => input.files[0] && look(input.files[0], input.files[0].name) } });
  const body = h("div", { class: "view stack-24" });
  fill(place, body, input);
  dropZone(place, signal);
  if (file) await look(file, file.name);
  else if (kind === "job") {
    const { workflow } = await get(`jobs/${jobId}/workflow`, { signal, parse: fromJsonWithFloats });
    await look(new Blob([toJson(workflow)]), "workflow.json");
  } else begin();

  function begin(error) {
    fill(body, h("div", { class: "stack" }, h("h1", {}, "Register a workflow"), h("p", { class: "quiet" }, "Choose what others may set. Everything else stays as it is in the file.")),
      error && note("bad", h("p", {}, error.message)),
      h("div", { class: "drop big" }, icon("drop"), h("p", { class: "strong" }, "Drop a workflow file here"), h("p", { class: "quiet" }, "API format, the editor’s own JSON, an app, or a picture that ComfyUI saved."),
        h("div", { class: "row" }, button("Choose a file", { icon: "file", class: "main", on: { click: () => input.click() } }))));
  }

  async function look(blob, name) {
    fill(body, h("p", { class: "quiet", role: "status" }, `Looking at ${name}…`));
    try {
      const found = await inspect(blob);
      if (!signal.aborted) draw(found, name);
    } catch (error) {
      if (!signal.aborted) begin(error);
    }
  }

  function draw(found, fileName) {
    const suggested = Object.entries(found.parameters).map(([name, told]) => ({ name, told, isOn: true, isSuggested: true }));
    const rows = [...suggested, ...others(found, suggested)];
    const outputs = Object.entries(found.outputs).map(([name, nodes]) => ({ name, nodes, isOn: true }));
    let showsAll = false;
    const name = h("input", { class: "in", id: "reg-name", value: slug(fileName), maxlength: 64, on: { input: () => versions() } });
    const description = h("input", { class: "in", id: "reg-words", maxlength: 1000 });
    const told = h("div", {}), after = h("p", { class: "small quiet" });
    const submit = button("", { icon: "check", class: "main", on: { click: register } }, h("span", {}));
    const table = h("tbody", {});
    const count = h("span", { class: "quiet small num" });

    const nodeOf = (target) => { const id = target.split(".")[0]; const node = found.workflow[id]; return node ? `${id} · ${node._meta?.title ?? node.class_type}` : id; };
    // Moves a row among those that are listed; the order of the rows is the order of the form.
    function move(row, by) {
      const listed = rows.filter((one) => showsAll || one.isSuggested);
      const other = listed[listed.indexOf(row) + by];
      if (!other) return;
      rows.splice(rows.indexOf(row), 1);
      rows.splice(rows.indexOf(other) + (by > 0 ? 1 : 0), 0, row);
      drawRows();
      table.querySelector(`[aria-label="${CSS.escape(`Move ${row.name} ${by < 0 ? "up" : "down"}`)}"]`)?.focus();
      tell(`${row.name} is number ${rows.filter((one) => showsAll || one.isSuggested).indexOf(row) + 1}`);
    }
    const mover = (row, by) => button("", { icon: "down", class: `slim bare icon ${by < 0 ? "turned" : ""}`, label: `Move ${row.name} ${by < 0 ? "up" : "down"}`, on: { click: () => move(row, by) } });
    function drawRows() {
      fill(table, rows.filter((row) => showsAll || row.isSuggested).map((row) => {
        const box = h("input", { type: "checkbox", checked: row.isOn, "aria-label": `Expose ${row.name}`, on: { change: () => { row.isOn = box.checked; line.classList.toggle("off", !row.isOn); say(); } } });
        const called = h("input", { class: "in", value: row.name, "aria-label": `Name of ${row.name}`, on: { change: () => { row.name = called.value.trim() || row.name; called.value = row.name; } } });
        const line = h("tr", { class: row.isOn ? "" : "off" }, h("td", { class: "half" }, h("label", { class: "check" }, box, h("span", { class: "only-narrow" }, "Expose"))), h("td", { "data-th": "Name" }, called),
          h("td", { "data-th": "Node", class: "half" }, row.told.inputs.map(nodeOf).join(", ")), h("td", { "data-th": "Type", class: "half" }, row.told.type),
          h("td", { "data-th": "Default", class: "half" }, h("span", { class: "cut" }, row.told.default === undefined ? "required" : shorten(String(row.told.default), 60))), h("td", { "data-th": "Range", class: "half" }, rangeOf(row.told)),
          h("td", { "data-th": "Order", class: "half acts" }, mover(row, -1), mover(row, 1)));
        return line;
      }));
      say();
    }
    function say() {
      const on = rows.filter((row) => row.isOn).length;
      submit.lastChild.textContent = `Register ${many(on, "input")}`;
      count.textContent = `${on} of ${rows.length} are exposed.`;
    }
    async function versions() {
      const { workflows } = await get("workflows", { signal });
      const known = workflows.find((one) => one.name === name.value.trim());
      after.textContent = known ? `This becomes version ${known.version + 1}, unless nothing is different. Jobs of version ${known.version} stay as they are.` : "This becomes version 1.";
    }
    async function register() {
      submit.disabled = true;
      const parameters = Object.fromEntries(rows.filter((row) => row.isOn).map((row) => [row.name, row.told]));
      const kept = Object.fromEntries(outputs.filter((one) => one.isOn).map((one) => [one.name, one.nodes]));
      const options = outputs.some((one) => !one.isOn) ? { options: { outputs: Object.keys(kept) } } : {};
      try {
        const made = await put(`workflows/${encodeURIComponent(name.value.trim())}`, { workflow: found.workflow, parameters, outputs: kept, description: description.value, ...(found.document ? { document: found.document } : {}), ...options });
        tell(`${made.name} is registered in version ${made.version}`);
        go(`#/run/${encodeURIComponent(made.name)}`);
      } catch (error) {
        fill(told, note("bad", h("p", {}, error instanceof ApiError && error.status === 403 ? "Your key may run workflows, and not register them: ask somebody with a key for admin." : error.message)));
        submit.disabled = false;
      }
    }

    const nodes = Object.keys(found.workflow).length;
    const switcher = h("div", { class: "seg", role: "radiogroup", "aria-label": "Which inputs are listed" }, ["Suggested", `All ${rows.length}`].map((word, index) =>
      h("label", {}, h("input", { type: "radio", name: "which-inputs", checked: index === 0, on: { change: () => { showsAll = index === 1; drawRows(); } } }), word)));
    fill(body, h("div", { class: "stack" }, h("h1", {}, "Register a workflow"), h("p", { class: "quiet" }, "Choose what others may set. Everything else stays as it is in the file.")),
      h("div", { class: "register" }, h("div", { class: "stack-24" },
        h("div", { class: "panel" }, h("div", { class: "body row spread" }, h("p", {}, h("span", { class: "strong" }, fileName), h("br"), h("span", { class: "quiet small" }, `${found.document ? "The editor’s JSON" : "API format"}: ${many(nodes, "node")}, ${many(outputs.length, "output")}.`)), button("Choose another file", { icon: "file", class: "slim", on: { click: () => input.click() } }))),
        found.unknown.length > 0 && note("warn", h("p", {}, `No server has ${many(found.unknown.length, "node type")} of it: ${found.unknown.join(", ")}. It can be registered, and runs once one has.`)), found.warnings.map((words) => note("warn", h("p", {}, words))),
        h("section", { class: "panel" }, h("div", { class: "body two meta" }, labelled("Name, as it stands in addresses", name), labelled("What it does, in a sentence", description))),
        h("section", { class: "panel" }, h("div", { class: "head" }, h("h2", {}, "Inputs"), count, h("div", { class: "bar-end" }, switcher)),
          h("table", { class: "rows regs" }, h("thead", {}, h("tr", {}, ["Expose", "Name", "Node", "Type", "Default", "Range or choices", "Order"].map((word) => h("th", { scope: "col" }, word)))), table), told,
          h("div", { class: "runbar" }, submit, after))),
      h("div", { class: "stack-24" }, where(found.servers), h("section", { class: "panel" }, h("div", { class: "head" }, h("h2", {}, "Outputs")), h("div", { class: "body stack" }, outputs.map((one) => {
        const box = h("input", { type: "checkbox", checked: true, on: { change: () => { one.isOn = box.checked; } } });
        return h("label", { class: "check" }, box, `${one.nodes.map((id) => nodeOf(id)).join(", ")}`);
      }))))));
    drawRows();
    versions();
  }
}

// Which servers have its nodes and models, and what the others lack.
const where = (servers) => h("section", { class: "panel", "aria-label": "Where it can run" }, h("div", { class: "head" }, h("h2", {}, "Where it can run")),
  servers.length ? h("ul", { class: "body stack-16 where" }, servers.map((one) => h("li", { class: "stack" }, h("div", { class: "row spread" }, h("span", { class: "strong" }, serverName(one.url)), one.lacks.length ? state("waits", "Not now") : state(one.is_up ? "up" : "down", one.is_up ? "Can run it" : "Could, and is not up")),
    one.lacks.length > 0 && h("p", { class: "small quiet" }, `It lacks ${one.lacks.slice(0, 6).join(", ")}${one.lacks.length > 6 ? ` and ${one.lacks.length - 6} more` : ""}.`))))
    : h("p", { class: "body quiet" }, "No server is known yet: it runs once one is there."));

const labelled = (words, input) => h("div", { class: "field" }, h("label", { class: "label", for: input.id }, words), input);

const rangeOf = (told) => (told.choices?.length ? many(told.choices.length, "choice") : told.min !== undefined || told.max !== undefined ? `${told.min ?? ""} to ${told.max ?? ""}` : "");

// Every other input of the graph that stands for a value and not for a link.
function others(found, suggested) {
  const taken = new Set(suggested.flatMap((row) => row.told.inputs));
  const names = new Set(suggested.map((row) => row.name));
  const rows = [];
  for (const [id, node] of Object.entries(found.workflow)) {
    for (const [input, value] of Object.entries(node.inputs ?? {})) {
      const type = value instanceof Float ? "float" : { string: "text", boolean: "bool", bigint: "int", number: Number.isInteger(value) ? "int" : "float" }[typeof value];
      if (!type || taken.has(`${id}.${input}`)) continue;
      const name = names.has(input) ? `${input}_${id.replace(/\W/g, "_")}` : input;
      names.add(name);
      rows.push({ name, told: { type, inputs: [`${id}.${input}`], default: value }, isOn: false, isSuggested: false });
    }
  }
  return rows;
}
