// What a registered workflow's parameters become in a form: groups, order, labels, the reach of sliders. Pure.

import { title } from "./format.js";
import { whole } from "./numbers.js";

const FILES = new Set(["image", "mask", "video", "audio", "file"]);
const MANY_STEPS = 400;
const REACH = { steps: 60, cfg: 20, width: 2048, height: 2048, count: 16, fps: 60, strength: 2, duration: 30 };
const ROLES = {
  prompt: "prompt", negative: "negative_prompt", seed: "seed", steps: "steps", cfg: "cfg", sampler: "sampler",
  scheduler: "scheduler", denoise: "denoise", width: "width", height: "height", batch_size: "count", checkpoint: "model",
  fps: "fps", duration: "duration", strength: "strength",
};
const ORDER = ["prompt", "negative_prompt", "image", "mask", "video", "audio", "width", "height", "duration", "fps", "steps",
  "cfg", "denoise", "strength", "sampler", "scheduler", "model", "count", "seed"];

export const isFile = (parameter) => FILES.has(parameter.type);

// The parameters of a workflow, as a list in the order of the form.
export function listed(workflow) {
  const all = Object.entries(workflow.parameters).map(([name, told]) => ({
    ...told, name, role: told.role ?? ROLES[name] ?? "", label: told.label || title(name),
  }));
  const isChosen = all.some((one) => one.group);
  return isChosen ? all : all.map((one, index) => [place(one), index, one])
    .sort((a, b) => a[0] - b[0] || a[1] - b[1]).map(([, , one]) => one);
}

// Names of inputs in the order in which a form has them; the database keeps none.
export const inOrder = (names) => names.map((name) => [place({ role: ROLES[name] ?? "", type: name }), name]).sort((a, b) => a[0] - b[0]).map(([, name]) => name);

function place({ role, type }) {
  const at = ORDER.indexOf(role || type);
  if (at >= 0) return at;
  return type === "text" ? 1.5 : isFile({ type }) ? 5.5 : type === "choice" ? ORDER.indexOf("model") + 0.5 : ORDER.indexOf("count") + 0.5;
}

// Named groups of parameters, each in the order of the list; the seed's is the last, beside the batch.
export function groups(parameters) {
  const found = new Map();
  for (const one of parameters) {
    const name = one.group || (one.type === "seed" ? "Seed and batch" : usualGroup(one));
    if (!found.has(name)) found.set(name, []);
    found.get(name).push(one);
  }
  const seed = found.get("Seed and batch") ?? [];
  found.delete("Seed and batch");
  return [...found, ["Seed and batch", seed]];
}

function usualGroup(one) {
  if (one.type === "text" && one.multiline !== false) return "Words";
  if (isFile(one)) return one.type === "image" || one.type === "mask" ? "Picture" : "Files";
  if (["width", "height", "count", "duration", "fps"].includes(one.role)) return "Size";
  if (["steps", "cfg", "denoise", "sampler", "scheduler", "model", "strength"].includes(one.role)) return "Sampling";
  return "Settings";
}

// The slider of a number: its least, most and step; null where a slider would be of no use.
export function slider(one) {
  if (one.type !== "int" && one.type !== "float") return null;
  const begin = one.min ?? (one.type === "int" || Number(one.default) >= 0 ? 0 : null);
  if (begin === null) return null;
  const least = Number(begin); // limits beyond 2^53 are BigInt, and a slider reckons in doubles
  const step = Number(one.step ?? (one.type === "int" ? 1 : 0.01));
  const most = Number(one.max ?? Infinity);
  const isFine = (most - least) / step <= MANY_STEPS;
  const reach = isFine ? most : Math.min(most, Math.max(REACH[one.role] ?? 100 * step, 2 * Number(one.default ?? 0)));
  return reach > least ? { least, most: reach, step } : null;
}

export function rangeWords(one) {
  const { min, max, step } = one;
  const reach = slider(one);
  if (min === undefined && max === undefined) return "";
  const by = step && step > 1 ? `, by ${step}` : "";
  if (max === undefined || (reach && reach.most < max && max >= 4096)) return `${min} or more${by}`;
  return min === undefined ? `up to ${max}${by}` : `${min} to ${max}${by}`;
}

// Why `value` cannot stand there, in a sentence; empty if it can. The service has the last word.
export function whyWrong(one, value) {
  if (value === "" || value === undefined || value === null) {
    const isMissing = one.default === undefined && (one.required || isFile(one));
    return isMissing ? `${one.label} is needed.` : "";
  }
  if (one.type !== "int" && one.type !== "float") return "";
  const number = Number(value);
  if (Number.isNaN(number)) return `${value} is no number.`;
  if (one.type === "int" && !Number.isInteger(number)) return `${value} is no whole number.`;
  if (one.min !== undefined && number < one.min) return `${value} is less than ${one.min}.`;
  if (one.max !== undefined && number > one.max) return `${value} is more than ${one.max}.`;
  return "";
}

// A new seed of 48 bits: as good as any, and a number that every program reads.
export function rolled() {
  const [high, low] = crypto.getRandomValues(new Uint32Array(2));
  return String((high & 0xffff) * 2 ** 32 + low);
}

// The seeds of a batch: `count` of them, from `first` on.
export const seedsFrom = (first, count) => Array.from({ length: count }, (_, index) => whole(BigInt(first) + BigInt(index)));
