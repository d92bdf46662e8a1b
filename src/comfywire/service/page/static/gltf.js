// Reads a binary glTF (.glb) into triangles: what a turntable needs of it, and no more. Pure, but for pictures in it.
// Everything in the file is somebody's: offsets and counts are checked by the typed arrays, which throw out of bounds.

const MOST_BYTES = 256 << 20, MOST_POINTS = 6_000_000, MOST_NODES = 20_000, DEEPEST = 64;
const SIZES = { SCALAR: 1, VEC2: 2, VEC3: 3, VEC4: 4 };
const KINDS = { 5121: Uint8Array, 5123: Uint16Array, 5125: Uint32Array, 5126: Float32Array };
const FACES = 4;
const IDENTITY = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];

// Returns {parts: [{points, texture, indices, color, picture, matrix}], faces}; `picture` is a Blob or null.
export function readGlb(bytes) {
  if (bytes.byteLength > MOST_BYTES) throw new Error("This model is too large to be shown here: download it.");
  const { json, binary } = chunks(new DataView(bytes));
  const wanted = (json.extensionsRequired ?? []).filter((name) => !/^KHR_(materials_|texture_transform)/.test(name));
  if (wanted.length) throw new Error(`This model needs ${wanted.join(", ")}, which this page cannot show: download it.`);
  const file = { json, binary, points: 0, nodes: 0 };
  const parts = [];
  const scene = json.scenes?.[json.scene ?? 0];
  for (const index of scene?.nodes ?? []) walk(file, index, IDENTITY, parts, 0);
  if (!parts.length) throw new Error("This model has no faces to be shown.");
  return { parts, faces: parts.reduce((sum, part) => sum + (part.indices?.length ?? part.points.length / 3) / 3, 0) };
}

function chunks(view) {
  if (view.byteLength < 20 || view.getUint32(0, true) !== 0x46546c67 || view.getUint32(4, true) !== 2) throw new Error("This file is no binary glTF 2: download it.");
  const length = view.getUint32(12, true);
  const json = JSON.parse(new TextDecoder().decode(new Uint8Array(view.buffer, 20, length)));
  const at = 20 + length;
  const binary = at + 8 <= view.byteLength ? new Uint8Array(view.buffer, at + 8, view.getUint32(at, true)) : new Uint8Array();
  return { json, binary };
}

function walk(file, index, above, parts, depth) {
  const node = file.json.nodes?.[index];
  file.nodes += 1; // the nodes are a tree in a file that is right, and may be anything in one that is not
  if (!node || depth > DEEPEST) return;
  if (file.nodes > MOST_NODES) throw new Error("This model has too many parts to be shown here: download it.");
  const matrix = times(above, node.matrix ?? placed(node));
  for (const primitive of file.json.meshes?.[node.mesh]?.primitives ?? []) {
    if ((primitive.mode ?? FACES) !== FACES || primitive.attributes?.POSITION === undefined) continue;
    parts.push(part(file, primitive, matrix));
  }
  for (const child of node.children ?? []) walk(file, child, matrix, parts, depth + 1);
}

function part(file, primitive, matrix) {
  const points = accessor(file, primitive.attributes.POSITION);
  file.points += points.length / 3;
  if (file.points > MOST_POINTS) throw new Error("This model has too many points to be shown here: download it.");
  const look = file.json.materials?.[primitive.material]?.pbrMetallicRoughness ?? {};
  const image = file.json.images?.[file.json.textures?.[look.baseColorTexture?.index]?.source];
  const isShown = image?.bufferView !== undefined && /^image\/(png|jpeg|webp)$/.test(image.mimeType) && primitive.attributes.TEXCOORD_0 !== undefined;
  return {
    points, matrix, color: look.baseColorFactor ?? [0.8, 0.8, 0.8, 1],
    indices: primitive.indices === undefined ? null : Uint32Array.from(accessor(file, primitive.indices)),
    texture: isShown ? accessor(file, primitive.attributes.TEXCOORD_0) : null,
    picture: isShown ? new Blob([region(file, image.bufferView)], { type: image.mimeType }) : null,
  };
}

function region(file, index, offset = 0, length = null) {
  const view = file.json.bufferViews[index];
  if (view.buffer !== 0 || file.json.buffers[0].uri) throw new Error("Parts of this model are in other files: download it.");
  return file.binary.slice((view.byteOffset ?? 0) + offset, (view.byteOffset ?? 0) + (length === null ? view.byteLength : offset + length));
}

// The numbers of an accessor, tightly packed; floats, or whole numbers where the file has those.
function accessor(file, index) {
  const one = file.json.accessors[index];
  const Kind = KINDS[one.componentType], width = SIZES[one.type];
  if (!Kind || !width || one.sparse || one.bufferView === undefined) throw new Error("This model keeps its numbers in a way that this page cannot show: download it.");
  const view = file.json.bufferViews[one.bufferView];
  const size = width * Kind.BYTES_PER_ELEMENT, stride = view.byteStride || size;
  const bytes = region(file, one.bufferView, one.byteOffset ?? 0, stride * (one.count - 1) + size);
  if (bytes.byteLength < stride * (one.count - 1) + size) throw new Error("This model ends before its points do.");
  if (stride === size) return new Kind(bytes.buffer, 0, one.count * width);
  const packed = new Uint8Array(one.count * size);
  for (let at = 0; at < one.count; at += 1) packed.set(bytes.subarray(at * stride, at * stride + size), at * size);
  return new Kind(packed.buffer);
}

function placed({ translation: t = [0, 0, 0], rotation: [x, y, z, w] = [0, 0, 0, 1], scale: s = [1, 1, 1] }) {
  return [
    (1 - 2 * (y * y + z * z)) * s[0], 2 * (x * y + z * w) * s[0], 2 * (x * z - y * w) * s[0], 0,
    2 * (x * y - z * w) * s[1], (1 - 2 * (x * x + z * z)) * s[1], 2 * (y * z + x * w) * s[1], 0,
    2 * (x * z + y * w) * s[2], 2 * (y * z - x * w) * s[2], (1 - 2 * (x * x + y * y)) * s[2], 0, ...t, 1,
  ];
}

// Two matrices of 16 numbers, column after column, as one.
export const times = (a, b) => Array.from({ length: 16 }, (_, at) => {
  const [row, column] = [at % 4, at - (at % 4)];
  return a[row] * b[column] + a[row + 4] * b[column + 1] + a[row + 8] * b[column + 2] + a[row + 12] * b[column + 3];
});
