// Builds the page out of elements and texts. Nothing here, or anywhere in the page, turns a text into HTML: what
// stands in a workflow or an output stays a text, whatever it says.

const icons = new URL("icons.svg", import.meta.url).href;
let styles = null;
const SVG = "http://www.w3.org/2000/svg";
const PROPERTIES = new Set(["value", "checked", "disabled", "hidden", "open", "muted", "loop", "indeterminate"]);

// Returns an element: h("p", {class: "small", on: {click: act}}, "text", other, [more]).
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  set(element, props ?? {});
  element.append(...flat(children));
  return element;
}

export function set(element, props) {
  for (const [name, value] of Object.entries(props)) {
    if (name === "on") for (const [event, act] of Object.entries(value)) element.addEventListener(event, act);
    else if (name === "css") for (const [key, css] of Object.entries(value)) element.style.setProperty(key, css);
    else if (name === "data") Object.assign(element.dataset, value);
    else if (PROPERTIES.has(name)) element[name] = value;
    else if (value === false || value === null || value === undefined) element.removeAttribute(name);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  return element;
}

function flat(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}

// Puts `children` in place of everything in `element`.
export function fill(element, ...children) {
  element.replaceChildren(...flat(children));
  return element;
}

// Puts `text` into `element`, and touches nothing when it says that already.
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export function icon(name, kind = "i") {
  return svg("svg", { class: kind, "aria-hidden": "true" }, svg("use", { href: `${icons}#i-${name}` }));
}

export const brandIcon = () => svg("svg", { "aria-hidden": "true" }, svg("use", { href: `${icons}#i-wire` }));

// A button with an icon and a word; `props.class` chooses its look.
export function button(word, { icon: name, class: look = "", label, ...props } = {}, ...more) {
  const aria = label ? { "aria-label": label, title: label } : {};
  const inside = [name && icon(name), word && h("span", {}, word), more];
  return h("button", { type: "button", class: `btn ${look}`.trim(), ...aria, ...props }, inside);
}

const STATES = {
  queued: ["s-queued", "Waits"], waits: ["s-waits", "Cannot start"], running: ["s-running", "Running"],
  canceling: ["s-canceling", "Canceling"], succeeded: ["s-succeeded", "Succeeded"], failed: ["s-failed", "Failed"],
  canceled: ["s-canceled", "Canceled"], expired: ["s-expired", "Expired"], up: ["s-up", "Up"],
  stuck: ["s-stuck", "Stuck"], broken: ["s-stuck", "Taken out"], down: ["s-down", "Down"], gone: ["s-down", "Gone"],
  drained: ["s-draining", "Draining"], paused: ["s-paused", "Paused"],
};

// The state of a job or a server: a shape and a word, and colour only as the third sign.
export function state(kind, word) {
  const [name, usual] = STATES[kind] ?? ["info", kind];
  return h("span", { class: `state ${kind}` }, icon(name, kind === "running" ? "i spin" : "i"), word ?? usual);
}

export function note(kind, ...children) {
  const marks = { bad: "s-failed", warn: "s-stuck" };
  const alert = kind === "bad" ? { role: "alert" } : {};
  return h("div", { class: `note ${kind}`, ...alert }, icon(marks[kind] ?? "info"), children);
}

// The styles of everything but the form: asked for by whatever is shown beside it. Resolves when they hold.
export function allStyles() {
  styles ??= new Promise((done) => {
    const href = new URL("views.css", import.meta.url).href;
    document.head.append(h("link", { rel: "stylesheet", href, on: { load: done, error: done } }));
  });
  return styles;
}

// Says something to readers of screens, in the one polite region.
export function tell(words) {
  say(document.getElementById("told"), words);
}

// Calls `draw` at most once a frame, however often it is asked for.
export function oncePerFrame(draw) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => { asked = false; draw(); });
  };
}
