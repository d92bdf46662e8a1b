// What belongs to one job wherever it is shown: its inputs in words, itself as a call of the API, a link to share it.

import { apiUrl, content, del, get, post } from "./api.js";
import { button, fill, h, note, tell } from "./dom.js";
import { day, shown, title } from "./format.js";
import { toJson } from "./numbers.js";
import { inOrder } from "./parameters.js";
import { python } from "./python.js";

const WEEK = 7 * 86400;

const fileId = (value) => value?.info?.id ?? null;

// A job's inputs as pairs; files lead to their bytes.
export function inputsOf(job) {
  const pairs = inOrder(Object.keys(job.inputs ?? {})).map((name) => [name, job.inputs[name]]);
  if (!pairs.length) return h("p", { class: "quiet small" }, "Nothing was set: the workflow ran as it was sent.");
  return h("dl", { class: "pairs" }, pairs.map(([name, value]) => {
    const id = fileId(value);
    const words = h("dd", { class: typeof value === "number" || typeof value === "bigint" ? "num" : "" }, id ? "a file" : shown(value));
    if (id) get(`assets/${id}`).then((asset) => fill(words, h("a", { href: content(asset.url), target: "_blank", rel: "noopener" }, asset.file_path ?? "a file"))).catch(() => fill(words, "a file that is gone"));
    return [h("dt", {}, title(name)), words];
  }));
}

const plainInputs = (job) => Object.fromEntries(Object.entries(job.inputs ?? {}).map(([name, value]) => [name, fileId(value) ?? value]));
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

const BEARER = '-H "Authorization: Bearer $COMFYWIRE_KEY"';
const PYTHON_KEY = `headers={"Authorization": f"Bearer {os.environ['COMFYWIRE_KEY']}"}`;
const PYTHON_TOLD = 'for output in answer.json()["outputs"]:\n    print(output["url"])';

// The call that makes the same job again, in three languages.
export function calls(job) {
  const again = job.workflow_name ? ofRegistered(job) : ofGraph(job);
  const base = apiUrl("").replace(/\/api\/v2\/$/, "");
  return {
    ...again,
    "comfy-sdk": `# COMFY_BASE_URL=${base}, and the key in COMFY_API_KEY\nfrom comfy_sdk import Comfy\n\nwith Comfy() as client:\n    graph = client.jobs.get("${job.id}").get_workflow().graph\n    job = client.submit(client.workflows.from_json(graph))\n    for output in job.result().outputs:\n        output.to_file(output.name)`,
  };
}

function ofRegistered(job) {
  const address = apiUrl(`workflows/${job.workflow_name}/jobs`);
  const inputs = plainInputs(job);
  return {
    curl: `curl -s ${address} \\\n  ${BEARER} \\\n  -H 'Content-Type: application/json' \\\n  -d ${quoted(`{"inputs": ${toJson(inputs)}}`)}`,
    Python: `import os, httpx\n\nanswer = httpx.post(\n    ${JSON.stringify(`${address}?wait=300`)},\n    ${PYTHON_KEY},\n    json={"inputs": ${python(inputs, "    ")}},\n    timeout=310,\n)\n${PYTHON_TOLD}`,
  };
}

// A graph may be long, and the service has it: it is asked for, and posted again.
function ofGraph(job) {
  const [graph, address] = [apiUrl(`jobs/${job.id}/workflow`), apiUrl("jobs")];
  return {
    curl: `curl -s ${graph} ${BEARER} |\n  sed 's/,"format":"api"}$/}/' |\n  curl -s ${address} ${BEARER} \\\n    -H 'Content-Type: application/json' -d @-`,
    Python: `import os, httpx\n\nwith httpx.Client(${PYTHON_KEY}, timeout=310) as client:\n    graph = client.get(${JSON.stringify(graph)}).json()["workflow"]\n    answer = client.post(${JSON.stringify(`${address}?wait=300`)}, json={"workflow": graph})\n${PYTHON_TOLD}`,
  };
}

export function copyAs(job) {
  const texts = calls(job);
  let chosen = "curl";
  const code = h("pre", { class: "code", tabindex: "0" }, texts.curl);
  const copy = button("Copy", { icon: "code", class: "slim", on: { click: async () => { await copied(texts[chosen], copy); } } });
  const languages = h("div", { class: "seg", role: "radiogroup", "aria-label": "Language" }, Object.keys(texts).map((name) =>
    h("label", {}, h("input", { type: "radio", name: "language", checked: name === chosen, on: { change: () => { chosen = name; code.textContent = texts[name]; } } }), name)));
  return h("section", {}, h("div", { class: "row spread" }, h("h2", {}, "Copy as"), copy), languages, code);
}

async function copied(text, from) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = h("textarea", { value: text, class: "only-read" }); // without https there is no clipboard to write to
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  const word = from.querySelector("span");
  if (word) { word.textContent = "Copied"; setTimeout(() => { word.textContent = "Copy"; }, 2000); }
  tell("Copied");
}

// A link that shows one run to whoever has it, until it ends or is ended.
export function sharing(job) {
  const place = h("section", {});
  const told = h("div", {});
  const ends = (time) => `Who has the link sees this run’s outputs and inputs, and nothing else. It ends on ${day(time)}.`;
  function ask() {
    fill(place, h("h2", {}, "Share this run"), h("p", { class: "small quiet" }, "A link for a week that needs no key. You can end it at any time."), told,
      h("div", { class: "row" }, button("Make a link", { icon: "share", on: { click: () => make() } })));
  }
  async function make() {
    try {
      draw(await post(`jobs/${job.id}/share`, { expires_in: WEEK }));
    } catch (error) {
      fill(told, note("bad", h("p", {}, error.message)));
    }
  }
  function draw({ token, expires_at }) {
    const link = new URL(`#/shared/${token}`, document.baseURI).href;
    const field = h("input", { class: "in mono", readonly: true, value: link, "aria-label": "The link", on: { focus: () => field.select() } });
    fill(place, h("h2", {}, "Share this run"), h("p", { class: "small quiet" }, ends(expires_at)), told,
      h("div", { class: "seed" }, field, button("", { icon: "share", class: "icon", label: "Copy the link", on: { click: (event) => copied(link, event.currentTarget) } }),
        button("", { icon: "close", class: "icon", label: "End it now", on: { click: async () => { await del(`jobs/${job.id}/share`); tell("The link is ended"); ask(); } } })));
  }
  ask();
  return place;
}
