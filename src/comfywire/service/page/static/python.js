// A value of JSON as Python writes it.

const WORDS = new Map([[null, "None"], [true, "True"], [false, "False"]]);

// A text of JSON is one of Python, too: JSON has no escape that Python reads otherwise.
export function python(value, indent = "") {
  if (WORDS.has(value)) return WORDS.get(value);
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value !== "object" || value instanceof Number) return String(value);
  const inner = `${indent}    `;
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  const lines = Array.isArray(value) ? value.map((one) => python(one, inner))
    : Object.entries(value).map(([name, one]) => `${JSON.stringify(name)}: ${python(one, inner)}`);
  return lines.length ? `${open}\n${lines.map((line) => `${inner}${line},\n`).join("")}${indent}${close}` : open + close;
}
