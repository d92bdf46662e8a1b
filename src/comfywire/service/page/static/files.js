// Files into a workflow: dropped, pasted, chosen, photographed or taken from an earlier result; a mask painted over them.

import { ApiError, content, get } from "./api.js";
import { allStyles, button, fill, h } from "./dom.js";
import { bytes } from "./format.js";
import { upload } from "./sending.js";

const ACCEPTS = { image: "image/*", mask: "image/*", video: "video/*", audio: "audio/*", file: "" };
const IS_PICTURE = new Set(["image", "mask"]);
let numbered = 0;

// `context.usesMask` says whether the workflow reads the mask of this picture; `context.pictureFor(mask)` finds the
// field of the picture that a mask is painted over.
export function fileField(one, given, onChange, context) {
  const id = `file-${(numbered += 1)}`;
  let asset = null, local = null, sending = null;
  const input = h("input", { type: "file", id, accept: ACCEPTS[one.type] ?? "", class: "only-read", tabindex: "-1", on: { change: () => input.files[0] && take(input.files[0]) } });
  const camera = h("input", { type: "file", accept: ACCEPTS[one.type], capture: "environment", class: "only-read", tabindex: "-1", "aria-hidden": "true", on: { change: () => camera.files[0] && take(camera.files[0]) } });
  const box = h("div", { class: "drop", role: "group", "aria-label": one.label, on: { dragover: over, dragleave: () => box.classList.remove("over"), drop: dropped, paste: pasted } });
  const wrong = h("p", { class: "error", role: "alert", hidden: true });
  const element = h("div", { class: "field" }, h("div", { class: "label" }, h("label", { for: id }, one.label), h("i", {}, one.default ? "may stay as it is" : "")), box, wrong, input, camera);

  function complain(words) {
    wrong.textContent = words;
    wrong.hidden = !words;
    return !words;
  }

  function over(event) {
    if (![...event.dataTransfer.types].includes("Files")) return;
    event.preventDefault();
    event.stopPropagation();
    box.classList.add("over");
  }

  function dropped(event) {
    event.preventDefault();
    event.stopPropagation();
    box.classList.remove("over");
    if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
  }

  function pasted(event) {
    const file = [...event.clipboardData.files][0];
    if (file) { event.preventDefault(); take(file); }
  }

  async function take(file, name = file.name) {
    const kind = ACCEPTS[one.type]?.replace("/*", "/");
    if (kind && !file.type.startsWith(kind)) return complain(`${name} is ${file.type || "of an unknown type"}, and ${one.label} takes ${ACCEPTS[one.type]}.`);
    complain("");
    let sent;
    const promise = new Promise((resolve) => { sent = resolve; });
    sending = promise;
    const bar = h("progress", { max: 1, value: 0, "aria-label": `Sending ${name}` });
    fill(box, h("span", { class: "thumb" }), h("div", { class: "stack" }, h("p", { class: "small strong" }, name), bar));
    try {
      asset = await upload(file, (share) => { bar.value = share; }, name);
      local = file;
    } catch (error) {
      complain(error.message);
    }
    if (sending === promise) sending = null;
    sent();
    draw();
    onChange();
    return true;
  }

  async function show(value, { isNews = false } = {}) {
    asset = null;
    local = null;
    const wanted = value?.info?.id ?? value;
    if (typeof wanted === "string" && /^[0-9a-f-]{36}$/i.test(wanted)) {
      try {
        asset = await get(`assets/${wanted}`);
      } catch (error) {
        if (!(error instanceof ApiError)) throw error; // gone: the field is empty again
      }
    }
    draw();
    if (isNews) onChange();
  }

  function draw() {
    const choose = button(asset ? "Replace" : "Choose a file", { icon: asset ? null : "file", class: asset ? "slim bare" : "slim", on: { click: () => input.click() } });
    if (!asset) {
      box.classList.add("is-empty");
      fill(box, h("p", { class: "small quiet" }, IS_PICTURE.has(one.type) ? "Drop a picture, paste one, or" : "Drop a file here, or"), h("div", { class: "row" }, choose,
        IS_PICTURE.has(one.type) && matchMedia("(pointer: coarse)").matches && button("Camera", { icon: "camera", class: "slim bare", on: { click: () => camera.click() } }),
        button("An earlier result", { icon: "results", class: "slim bare", on: { click: earlier } }),
        one.type === "mask" && button("Paint it", { icon: "brush", class: "slim bare", on: { click: paint } })));
      return;
    }
    box.classList.remove("is-empty");
    const size = h("span", { class: "quiet num" }, bytes(asset.size_bytes));
    const picture = h("img", { alt: "", on: { load: () => fill(size, `${picture.naturalWidth} × ${picture.naturalHeight}, ${bytes(asset.size_bytes)}`) } });
    if (IS_PICTURE.has(one.type)) picture.src = content(asset.url);
    fill(box, h("span", { class: "thumb checks" }, IS_PICTURE.has(one.type) ? picture : null),
      h("div", { class: "stack" }, h("p", { class: "small" }, h("span", { class: "strong cut-line" }, asset.file_path ?? "a file"), size),
        h("div", { class: "row" }, (one.type === "mask" || (one.type === "image" && context.usesMask?.(one))) && button("Paint the mask", { icon: "brush", class: "slim", on: { click: paint } }), choose,
          button("", { icon: "close", class: "slim bare icon", label: `Take ${one.label} out`, on: { click: () => { asset = null; draw(); onChange(); } } }))));
  }

  async function paint() {
    const source = one.type === "mask" ? context.pictureFor?.() : { url: asset && content(asset.url), name: asset?.file_path };
    if (!source?.url) return complain("Choose the picture first: the mask is painted over it.");
    complain("");
    const [{ paintMask }] = await Promise.all([import("./painter.js"), allStyles()]);
    const painted = await paintMask(source.url, { isOwnFile: one.type === "mask" });
    const stem = (source.name ?? "picture").split("/").pop().replace(/\.\w+$/, "");
    if (painted) await take(new File([painted], `${stem}_mask.png`, { type: "image/png" }));
    return true;
  }

  async function earlier() {
    const [{ chooseResult }] = await Promise.all([import("./earlier.js"), allStyles()]);
    const chosen = await chooseResult(one.type);
    if (chosen) await show(chosen, { isNews: true });
  }

  draw();
  const ready = given ? show(given) : Promise.resolve();
  return {
    element, complain, show, ready,
    get value() { return asset?.id; },
    get picture() { return asset ? { url: content(asset.url), name: asset.file_path } : null; },
    check: () => complain(!asset && one.default === undefined ? `${one.label} is needed: choose a file.` : ""),
    get local() { return local; },
    get sending() { return sending; },
  };
}
