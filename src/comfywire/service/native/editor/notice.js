// Tells who opens a workflow in the editor which of its nodes need browser scripts that are not here.
import { app } from "../../scripts/app.js";

const told = new Set();
const packs = await fetch(new URL("packs.json", import.meta.url)).then((answer) => (answer.ok ? answer.json() : {}));

// Every node of a graph and of the subgraphs in it, those of unknown types too.
function* nodesOf(graph, seen = new Set()) {
  if (!graph || seen.has(graph)) return;
  seen.add(graph);
  for (const node of graph._nodes ?? graph.nodes ?? []) {
    yield node;
    yield* nodesOf(node.subgraph, seen);
  }
}

function found(nodes) {
  const types = new Map();
  for (const node of nodes) {
    const pack = packs[node.type];
    if (!pack) continue;
    if (!types.has(pack)) types.set(pack, new Set());
    types.get(pack).add(node.type);
  }
  return types;
}

function tell(types) {
  const fresh = [...types].filter(([pack]) => !told.has(pack));
  if (!fresh.length) return;
  for (const [pack] of fresh) told.add(pack);
  const named = fresh.map(([pack, names]) => `${[...names].slice(0, 4).join(", ")} (${pack})`).join("; ");
  app.extensionManager.toast.add({
    severity: "warn",
    summary: "Nodes that need scripts of their packs",
    detail: `${named}: this address has no browser scripts of these packs, and without them such a node may send other values than you set. Who runs the service can name a ComfyUI that has them: --native-home URL.`,
  });
}

app.registerExtension({
  name: "Comfywire.PackScripts",
  afterConfigureGraph() {
    told.clear();
    tell(found(nodesOf(app.rootGraph ?? app.graph)));
  },
  nodeCreated(node) {
    if (!app.configuringGraph) tell(found([{ type: node.comfyClass ?? node.type }]));
  },
});
