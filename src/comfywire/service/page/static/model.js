// Shows a model on a turntable, with WebGL alone: drag, arrow keys, wheel and pinch look around it.

import { fill, h, note } from "./dom.js";
import { many } from "./format.js";
import { readGlb, times } from "./gltf.js";

const VERTEX = `#version 300 es
in vec3 point; in vec2 place; uniform mat4 whole, turned; out vec3 seen; out vec2 at;
void main() { seen = (turned * vec4(point, 1.)).xyz; at = place; gl_Position = whole * vec4(point, 1.); }`;
// Faces are lit by their own slant, so that a file without normals, as many are, looks as one with them.
const FRAGMENT = `#version 300 es
precision highp float; in vec3 seen; in vec2 at; uniform vec4 color; uniform sampler2D picture; uniform bool isPictured; out vec4 shown;
void main() { vec3 slant = normalize(cross(dFdx(seen), dFdy(seen)));
  float light = .42 + .5 * max(0., dot(slant, normalize(vec3(.4, .7, .6)))) + .12 * max(0., -slant.y);
  vec4 own = isPictured ? texture(picture, at) * color : color; shown = vec4(pow(own.rgb, vec3(isPictured ? 1. : .4545)) * light, 1.); }`;
const still = matchMedia("(prefers-reduced-motion: reduce)");

export async function showModel(place, bytes, signal) {
  try {
    const model = readGlb(bytes);
    const canvas = h("canvas", { tabindex: "0", role: "img", "aria-label": `A model with ${many(Math.round(model.faces), "face")}: arrow keys turn it, plus and minus bring it nearer` });
    const gl = canvas.getContext("webgl2", { antialias: true, alpha: true });
    if (!gl) throw new Error("This browser has no WebGL 2 to show a model with: download it.");
    const scene = await prepared(gl, model);
    if (signal.aborted) return;
    place.removeAttribute("role");
    place.removeAttribute("aria-label");
    fill(place, canvas, h("span", { class: "tag num" }, `3D · ${many(Math.round(model.faces), "face")}`));
    turn(canvas, gl, scene, signal);
  } catch (error) {
    fill(place, note("warn", h("p", {}, error instanceof RangeError || error instanceof TypeError || error instanceof SyntaxError ? "This model is damaged, and cannot be shown: download it." : error.message)));
  }
}

async function prepared(gl, { parts }) {
  const program = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  gl.useProgram(program);
  gl.enable(gl.DEPTH_TEST);
  const [least, most] = [[Infinity, Infinity, Infinity], [-Infinity, -Infinity, -Infinity]];
  const drawn = [];
  for (const part of parts) {
    const { points, matrix } = part;
    for (let at = 0; at < points.length; at += 3) {
      for (let axis = 0; axis < 3; axis += 1) {
        const value = matrix[axis] * points[at] + matrix[axis + 4] * points[at + 1] + matrix[axis + 8] * points[at + 2] + matrix[axis + 12];
        if (value < least[axis]) least[axis] = value;
        if (value > most[axis]) most[axis] = value;
      }
    }
    drawn.push(await uploaded(gl, program, part));
  }
  const middle = least.map((value, axis) => (value + most[axis]) / 2);
  const reach = Math.hypot(...most.map((value, axis) => value - least[axis])) / 2 || 1;
  const uniform = (name) => gl.getUniformLocation(program, name);
  return { drawn, middle, reach, whole: uniform("whole"), turned: uniform("turned"), color: uniform("color"), isPictured: uniform("isPictured") };
}

async function uploaded(gl, program, { points, texture, indices, picture, color, matrix }) {
  const state = gl.createVertexArray();
  gl.bindVertexArray(state);
  for (const [name, numbers, width] of [["point", points, 3], ["place", texture, 2]]) {
    if (!numbers) continue;
    const at = gl.getAttribLocation(program, name);
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ARRAY_BUFFER, Float32Array.from(numbers), gl.STATIC_DRAW);
    gl.enableVertexAttribArray(at);
    gl.vertexAttribPointer(at, width, gl.FLOAT, false, 0, 0);
  }
  if (indices) {
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, indices, gl.STATIC_DRAW);
  }
  return { state, count: indices ? indices.length : points.length / 3, isIndexed: Boolean(indices), color, matrix, picture: picture && (await texturized(gl, picture)) };
}

async function texturized(gl, blob) {
  const bitmap = await createImageBitmap(blob).catch(() => null);
  if (!bitmap) return null;
  const picture = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, picture);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
  gl.generateMipmap(gl.TEXTURE_2D);
  return picture;
}

function turn(canvas, gl, scene, signal) {
  let [across, down, near, isTouched, last] = [0.6, 0.35, 1, still.matches, 0];
  const listen = (name, act, options = {}) => canvas.addEventListener(name, act, { signal, ...options });
  const fingers = new Map();
  const move = (x, y) => { isTouched = true; across += x; down = Math.min(1.5, Math.max(-1.5, down + y)); ask(); };
  const zoom = (by) => { isTouched = true; near = Math.min(8, Math.max(0.3, near * by)); ask(); };
  listen("pointerdown", (event) => { canvas.setPointerCapture(event.pointerId); fingers.set(event.pointerId, event); });
  for (const name of ["pointerup", "pointercancel"]) listen(name, (event) => fingers.delete(event.pointerId));
  listen("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const other = [...fingers.values()].find((one) => one.pointerId !== event.pointerId);
    const apart = (one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY) || 1;
    if (other) zoom(apart(event) / apart(before));
    else move((event.clientX - before.clientX) / 160, (event.clientY - before.clientY) / 160);
    fingers.set(event.pointerId, event);
  });
  listen("wheel", (event) => { event.preventDefault(); zoom(Math.exp(-event.deltaY / 800)); }, { passive: false });
  listen("keydown", (event) => {
    const act = { ArrowLeft: () => move(-0.2, 0), ArrowRight: () => move(0.2, 0), ArrowUp: () => move(0, -0.2), ArrowDown: () => move(0, 0.2), "+": () => zoom(1.2), "-": () => zoom(1 / 1.2) }[event.key];
    if (act) { event.preventDefault(); event.stopPropagation(); act(); }
  });
  for (const name of ["touchstart", "touchend"]) listen(name, (event) => event.stopPropagation(), { passive: true });

  let frame = 0;
  function ask() { frame ||= requestAnimationFrame(draw); }
  function draw(now) {
    frame = 0;
    if (signal.aborted) return gl.getExtension("WEBGL_lose_context")?.loseContext();
    if (!isTouched && last) across += (now - last) / 4000;
    last = now;
    const scale = Math.min(devicePixelRatio || 1, 2);
    const [width, height] = [Math.round(canvas.clientWidth * scale), Math.round(canvas.clientHeight * scale)];
    if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
    gl.viewport(0, 0, width, height);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    const turned = turning(across, down, scene);
    const whole = times(lens(width / Math.max(1, height), 2.6 / near), turned);
    for (const part of scene.drawn) {
      gl.bindVertexArray(part.state);
      gl.uniformMatrix4fv(scene.whole, false, times(whole, part.matrix));
      gl.uniformMatrix4fv(scene.turned, false, times(turned, part.matrix));
      gl.uniform4fv(scene.color, part.color);
      gl.uniform1i(scene.isPictured, part.picture ? 1 : 0);
      if (part.picture) gl.bindTexture(gl.TEXTURE_2D, part.picture);
      if (part.isIndexed) gl.drawElements(gl.TRIANGLES, part.count, gl.UNSIGNED_INT, 0);
      else gl.drawArrays(gl.TRIANGLES, 0, part.count);
    }
    if (!isTouched) ask();
  }
  const watching = new ResizeObserver(ask);
  watching.observe(canvas);
  signal.addEventListener("abort", () => { watching.disconnect(); ask(); });
  ask();
}

// Around its own middle, scaled to a ball of radius 1.
function turning(across, down, { middle: [x, y, z], reach }) {
  const [c, s, cd, sd] = [Math.cos(across), Math.sin(across), Math.cos(down), Math.sin(down)];
  const round = times([1, 0, 0, 0, 0, cd, sd, 0, 0, -sd, cd, 0, 0, 0, 0, 1], [c, 0, -s, 0, 0, 1, 0, 0, s, 0, c, 0, 0, 0, 0, 1]);
  const size = 1 / reach;
  return times(round, [size, 0, 0, 0, 0, size, 0, 0, 0, 0, size, 0, -x * size, -y * size, -z * size, 1]);
}

function lens(aspect, far) {
  const f = 1.9 / Math.max(1, 1 / aspect), [near, most] = [0.05, 20];
  const view = [f / aspect, 0, 0, 0, 0, f, 0, 0, 0, 0, (most + near) / (near - most), -1, 0, 0, (2 * most * near) / (near - most), 0];
  return times(view, [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, -far, 1]);
}
