// Paints a mask over a picture, in a dialog; on a phone it takes the screen. ComfyUI's LoadImage reads the mask of a picture
// as its transparency (nodes.py, LoadImage, 0.3.64), and LoadImageMask that of a file of its own by a channel.

import { button, h, tell } from "./dom.js";
import { encodePng } from "./png.js";

const SIZES = [4, 400];

// Resolves to a PNG, or to null if nobody wants it. `isOwnFile` makes a mask by itself: white and transparent where painted.
export async function paintMask(url, { isOwnFile }) {
  const picture = await createImageBitmap(await (await fetch(url)).blob(), { premultiplyAlpha: "none" });
  const { width, height } = picture;
  const shown = h("canvas", { width, height, class: "paint-under" });
  shown.getContext("2d").drawImage(picture, 0, 0);
  const layer = h("canvas", { width, height, class: "paint-layer", tabindex: "0", role: "application", "aria-label": "Mask: arrows move the brush, Enter paints there" });
  const pen = layer.getContext("2d", { willReadFrequently: true });
  const strokes = [];
  let size = Math.max(SIZES[0], Math.min(SIZES[1], Math.round(Math.min(width, height) / 8)));
  let isErasing = false, stroke = null, at = [width / 2, height / 2];
  const share = h("p", { class: "quiet small num" });
  const cursor = h("span", { class: "paint-cursor", "aria-hidden": "true" });
  const range = h("input", { type: "range", id: "brush", min: SIZES[0], max: SIZES[1], value: size, on: { input: () => setSize(Number(range.value)) } });

  function draw(one) {
    pen.globalCompositeOperation = one.kind === "erase" ? "destination-out" : "source-over";
    pen.fillStyle = pen.strokeStyle = "#0a6369";
    if (one.kind === "all") { pen.fillRect(0, 0, width, height); return; }
    if (one.kind === "none") { pen.clearRect(0, 0, width, height); return; }
    if (one.kind === "invert") { pen.globalCompositeOperation = "xor"; pen.fillRect(0, 0, width, height); return; }
    [pen.lineWidth, pen.lineCap, pen.lineJoin] = [one.size, "round", "round"];
    pen.beginPath();
    pen.moveTo(...one.points[0]);
    for (const point of one.points.length > 1 ? one.points.slice(1) : [[one.points[0][0] + 0.01, one.points[0][1]]]) pen.lineTo(...point);
    pen.stroke();
  }

  function redraw() {
    pen.globalCompositeOperation = "source-over";
    pen.clearRect(0, 0, width, height);
    strokes.forEach(draw);
    count();
  }

  const bits = () => pen.getImageData(0, 0, width, height).data;
  function count() {
    const data = bits();
    let painted = 0;
    for (let index = 3; index < data.length; index += 4) painted += data[index] > 127;
    share.textContent = `${Math.round((100 * painted) / (width * height))}% is painted.`;
    return painted;
  }

  const place = (event) => { const box = layer.getBoundingClientRect(); return [((event.clientX - box.left) * width) / box.width, ((event.clientY - box.top) * height) / box.height]; };
  function moveCursor(point) {
    const scale = layer.getBoundingClientRect().width / width;
    for (const [name, value] of Object.entries({ left: `${(100 * point[0]) / width}%`, top: `${(100 * point[1]) / height}%`, width: `${size * scale}px`, height: `${size * scale}px` })) cursor.style.setProperty(name, value);
  }
  function begin(event) {
    if (event.button) return;
    layer.setPointerCapture(event.pointerId);
    stroke = { kind: isErasing ? "erase" : "paint", size, points: [place(event)] };
    strokes.push(stroke);
    draw(stroke);
  }
  function move(event) {
    at = place(event);
    moveCursor(at);
    if (!stroke) return;
    for (const one of event.getCoalescedEvents?.() ?? [event]) stroke.points.push(place(one));
    draw({ ...stroke, points: stroke.points.slice(-Math.max(2, (event.getCoalescedEvents?.().length ?? 1) + 1)) });
  }
  function end() { if (stroke) { stroke = null; count(); } }
  function act(kind) { strokes.push({ kind }); redraw(); }
  function undo() { strokes.pop(); redraw(); tell("Undone"); }
  function setSize(next) { size = Math.max(SIZES[0], Math.min(SIZES[1], next)); range.value = size; range.style.setProperty("--fill", `calc(10px + ${(size - SIZES[0]) / (SIZES[1] - SIZES[0])} * (100% - 20px))`); moveCursor(at); }
  function setErasing(next) { isErasing = next; for (const [index, radio] of tools.querySelectorAll("input").entries()) radio.checked = index === Number(next); }
  function key(event) {
    const step = event.shiftKey ? 1 : 16;
    const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    if (event.key in moves && event.target === layer) { event.preventDefault(); at = [Math.max(0, Math.min(width, at[0] + moves[event.key][0])), Math.max(0, Math.min(height, at[1] + moves[event.key][1]))]; moveCursor(at); }
    else if (event.key === "Enter" && event.target === layer) { event.preventDefault(); strokes.push({ kind: isErasing ? "erase" : "paint", size, points: [at] }); redraw(); }
    else if (event.key === "[") setSize(size - 8);
    else if (event.key === "]") setSize(size + 8);
    else if (event.key === "e") setErasing(!isErasing);
    else if (event.key === "z" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); undo(); }
  }

  async function result() {
    const mask = bits();
    const under = isOwnFile ? null : await exactPixels(picture, shown);
    const pixels = new Uint8Array(width * height * 4);
    for (let index = 0; index < pixels.length; index += 4) {
      const isPainted = mask[index + 3] > 127;
      for (let part = 0; part < 3; part += 1) pixels[index + part] = under ? under[index + part] : isPainted ? 255 : 0;
      pixels[index + 3] = isPainted ? 0 : 255;
    }
    return encodePng(pixels, width, height);
  }

  const tools = h("div", { class: "seg", role: "radiogroup", "aria-label": "Tool" }, ["Paint", "Erase"].map((word, index) =>
    h("label", {}, h("input", { type: "radio", name: "paint-tool", checked: index === 0, on: { change: () => setErasing(index === 1) } }), word)));
  return new Promise((done) => {
    const close = (answer) => { sheet.close(); sheet.remove(); done(answer); };
    const board = h("div", { class: "paint-board" }, shown, layer, cursor);
    board.style.setProperty("aspect-ratio", `${width} / ${height}`);
    const sheet = h("dialog", { class: "sheet painter-sheet", "aria-labelledby": "paint-title", on: { cancel: () => close(null), keydown: key } },
      h("div", { class: "row spread" }, h("h2", { id: "paint-title" }, "Paint the mask"), h("div", { class: "row" }, button("Cancel", { class: "bare", on: { click: () => close(null) } }),
        button("Use this mask", { icon: "check", class: "main", on: { click: async () => { if (!count()) { share.textContent = "Nothing is painted yet: paint what is to be made anew."; return; } close(await result()); } } }))),
      h("div", { class: "painter" }, h("div", { class: "stage" }, board),
        h("div", { class: "body stack-16" }, h("p", {}, "What you paint is made anew. The rest stays as it is."), tools,
          h("div", { class: "field" }, h("div", { class: "label" }, h("label", { for: "brush" }, "Brush"), h("i", {}, "[ and ]")), range), share,
          h("div", { class: "row" }, button("Undo", { class: "slim", on: { click: undo } }), button("All", { class: "slim bare", on: { click: () => act("all") } }), button("Invert", { class: "slim bare", on: { click: () => act("invert") } }), button("Clear", { class: "slim bare", on: { click: () => act("none") } })))));
    for (const [name, handler] of Object.entries({ pointerdown: begin, pointermove: move, pointerup: end, pointercancel: end })) layer.addEventListener(name, handler);
    document.body.append(sheet);
    sheet.showModal();
    setSize(size);
    redraw();
    layer.focus();
  });
}

// The picture's own colours, also where it is transparent: WebGL reads what a canvas would forget.
async function exactPixels(picture, canvas) {
  const { width, height } = picture;
  const gl = new OffscreenCanvas(1, 1).getContext("webgl2");
  const plain = () => canvas.getContext("2d").getImageData(0, 0, width, height).data;
  if (!gl || Math.max(width, height) > gl.getParameter(gl.MAX_TEXTURE_SIZE)) return plain();
  const pixels = new Uint8Array(width * height * 4);
  gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
  gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
  gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, picture);
  gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer());
  gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, gl.getParameter(gl.TEXTURE_BINDING_2D), 0);
  if (gl.checkFramebufferStatus(gl.FRAMEBUFFER) !== gl.FRAMEBUFFER_COMPLETE) return plain();
  gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
  return pixels;
}
