"""Loading: each saved node meets its definition, in root graph and subgraphs (editor-format.md, par. 2-4)."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from comfywire.errors import UnreadableWorkflow
from comfywire.workflow.conversion import group_nodes, proxy_widgets, subgraphs
from comfywire.workflow.conversion.graph import ID_TYPES, Graph, Host, Kind, Node, read_links
from comfywire.workflow.conversion.group_nodes import GroupNodes
from comfywire.workflow.conversion.layout import Layout, chosen_layout
from comfywire.workflow.conversion.special import layout_of
from comfywire.workflow.conversion.unknown import UnknownType, pour_unknown
from comfywire.workflow.conversion.values import ForcedInputs, pour

if TYPE_CHECKING:
    from collections.abc import Callable

    from comfywire.workflow.object_info import ObjectInfo
    from comfywire.workflow.profiles import Profile

__all__ = ["Catalogue", "Loaded", "load"]

_VIRTUAL = {
    "Reroute": Kind.REROUTE,
    "PrimitiveNode": Kind.PRIMITIVE,
    "Note": Kind.NOTE,
    "MarkdownNote": Kind.NOTE,
}
# Nodes that live in the browser only, while their pack's JavaScript runs; no server has such types. KJNodes'
# setgetnodes.js, and what extends RgthreeBaseVirtualNode in rgthree-comfy.
_PACK_VIRTUAL = {
    "SetNode": Kind.SETTER,
    "GetNode": Kind.GETTER,
    "Reroute (rgthree)": Kind.REROUTE,
    "Bookmark (rgthree)": Kind.NOTE,
    "Fast Actions Button (rgthree)": Kind.NOTE,
    "Fast Bypasser (rgthree)": Kind.NOTE,
    "Fast Groups Bypasser (rgthree)": Kind.NOTE,
    "Fast Groups Muter (rgthree)": Kind.NOTE,
    "Fast Muter (rgthree)": Kind.NOTE,
    "Label (rgthree)": Kind.NOTE,
    "Mute / Bypass Relay (rgthree)": Kind.NOTE,
    "Mute / Bypass Repeater (rgthree)": Kind.NOTE,
    "Node Collector (rgthree)": Kind.NOTE,
    "Random Unmuter (rgthree)": Kind.NOTE,
}
_NOTHING = Layout()
_SAMPLERS = {"KSampler", "KSamplerAdvanced"}


class KnownType:
    """A node type that the server has, ready to be filled."""

    __slots__ = ("by_name", "display_name", "forced", "layout")

    def __init__(self, object_info: ObjectInfo, class_type: str, profile: Profile) -> None:
        node_type = object_info[class_type]
        self.layout = layout_of(node_type, profile)
        self.forced = ForcedInputs.of(node_type, self.layout, profile)
        self.by_name = node_type.python_module.startswith("custom_nodes")
        self.display_name = node_type.display_name


class Catalogue:
    """The node types of a server as one profile lays them out; made once, used for every workflow."""

    def __init__(self, object_info: ObjectInfo, profile: Profile) -> None:
        self.object_info = object_info
        self.profile = profile
        self._known: dict[str, KnownType | None] = {}

    def get(self, class_type: str) -> KnownType | None:
        """Return what is known of ``class_type``, or None."""
        try:
            return self._known[class_type]
        except KeyError:
            known = None
            if class_type in self.object_info:
                known = KnownType(self.object_info, class_type, self.profile)
            self._known[class_type] = known
            return known


class Loaded:
    """A workflow as the editor has it after loading.

    Attributes:
        root: The root graph.
        graphs: All graphs, each subgraph definition once, the root last.
        warnings: What had to be left out or guessed, as sentences.
        unknown: The nodes whose type the server does not have.
        groups: The group nodes of the file.

    """

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.profile = catalogue.profile
        self.root = Graph()
        self.graphs: list[Graph] = []
        self.definitions: dict[str, Graph] = {}
        self.warnings: list[str] = []
        self.unknown: list[UnknownType] = []
        self.groups = GroupNodes({}, catalogue.object_info, catalogue.profile)


def load(document: Mapping[str, Any], catalogue: Catalogue) -> Loaded:
    """Return ``document`` loaded.

    Raises:
        UnreadableWorkflow: It has no list of nodes.

    """
    if not isinstance(document, Mapping) or not isinstance(document.get("nodes"), list):
        raise UnreadableWorkflow(
            "this is not a workflow that the editor saved: it has no list of nodes; "
            "save it again with 'Save' or 'Export (API)'"
        )
    loaded = Loaded(catalogue)
    saved = subgraphs.find_definitions(document)
    fresh = subgraphs.renumber(document, saved) if saved and catalogue.profile.is_modern else {}
    for definition_id, definition in saved.items():
        loaded.definitions[definition_id] = _graph(definition, definition_id, fresh.get(definition_id, {}))
    order = subgraphs.leaves_first(saved) if catalogue.profile.is_modern else list(saved)
    for definition_id in order:
        graph = loaded.definitions[definition_id]
        _fill(loaded, graph, saved[definition_id], fresh)
        loaded.graphs.append(graph)
    loaded.root.links = read_links(document.get("links"))
    loaded.groups = GroupNodes(document, catalogue.object_info, catalogue.profile)
    _fill(loaded, loaded.root, document, fresh)
    if loaded.groups and catalogue.profile.is_modern:
        group_nodes.migrate(loaded.root, _fresh_ids(loaded, document))
    loaded.graphs.append(loaded.root)
    return loaded


def _fresh_ids(loaded: Loaded, document: Mapping[str, Any]) -> Callable[[], str]:
    used = (
        int(node_id)
        for graph in [loaded.root, *loaded.graphs]
        for node_id in graph.nodes
        if node_id.isdecimal()
    )
    counter = itertools.count(max([subgraphs.last_node_id(document), *used]) + 1)
    return lambda: str(next(counter))


def _graph(definition: Mapping[str, Any], definition_id: str, fresh: Mapping[int, int]) -> Graph:
    graph = Graph(definition_id)
    graph.links = read_links(definition.get("links"))
    if fresh:
        renamed = {str(old): str(new) for old, new in fresh.items()}
        for link in graph.links.values():
            link.origin_id = renamed.get(link.origin_id, link.origin_id)
            link.target_id = renamed.get(link.target_id, link.target_id)
    graph.inputs = subgraphs.read_slots(definition, "inputs", graph.links)
    graph.outputs = subgraphs.read_slots(definition, "outputs", graph.links)
    return graph


def _fill(
    loaded: Loaded, graph: Graph, saved: Mapping[str, Any], fresh: Mapping[str, Mapping[int, int]]
) -> None:
    renamed = fresh.get(graph.id, {})
    for one in subgraphs.saved_nodes(saved):
        node = _node(loaded, graph, one, str(renamed.get(one["id"], one["id"]) if renamed else one["id"]))
        graph.nodes[node.id] = node
    if loaded.profile.is_modern and loaded.definitions:
        for node in graph.nodes.values():
            if node.host is not None:
                proxy_widgets.migrate(node, node.host, fresh.get(node.type, {}))


def _node(loaded: Loaded, graph: Graph, saved: Mapping[str, Any], node_id: str) -> Node:
    class_type = saved["type"]
    class_type = loaded.profile.renamed.get(class_type, class_type)
    known = loaded.catalogue.get(class_type)
    if class_type in _VIRTUAL:
        node = Node(saved, node_id, _VIRTUAL[class_type], _NOTHING)
        _take_links(node)
    elif class_type in loaded.definitions:
        node = _instance(loaded, saved, node_id, loaded.definitions[class_type])
    elif loaded.groups and (group := loaded.groups.find(class_type)) is not None and not group.missing():
        node = loaded.groups.instance(
            saved, node_id, group, lambda inside, one, one_id: _node(loaded, inside, one, one_id)
        )
    elif known is not None:
        node = _known_node(loaded, graph, saved, node_id=node_id, class_type=class_type, known=known)
    else:
        node = Node(saved, node_id, _PACK_VIRTUAL.get(class_type, Kind.UNKNOWN), _NOTHING)
        _take_links(node)
        if node.kind is Kind.SETTER:
            _register_setter(graph, node)
        elif node.kind is Kind.UNKNOWN:
            unknown = pour_unknown(node, modern=loaded.profile.is_modern)
            loaded.unknown.append(unknown)
            loaded.warnings.append(str(unknown))
    title = saved.get("title")
    node.title = title if title and isinstance(title, str) else known.display_name if known else class_type
    return node


def _known_node(
    loaded: Loaded,
    graph: Graph,
    saved: Mapping[str, Any],
    *,
    node_id: str,
    class_type: str,
    known: KnownType,
) -> Node:
    node = Node(saved, node_id, Kind.PLAIN, known.layout)
    node.type = class_type
    modern = loaded.profile.is_modern
    node.specs, node.values = pour(
        known.layout, saved.get("widgets_values"), known.forced, by_name=known.by_name, modern=modern
    )
    if class_type in _SAMPLERS and (modern or graph is loaded.root):
        _strip_sampler(node)
    names, is_static = known.layout.socket_names, known.layout.is_static
    inputs = saved.get("inputs")
    for slot in inputs if isinstance(inputs, list) else ():
        link = slot.get("link") if isinstance(slot, dict) else None
        if link is not None and isinstance(link, ID_TYPES):
            name = slot.get("name")
            if isinstance(name, str) and ((is_static and name in names) or _is_kept(node, slot)):
                node.links[name] = link
    return node


def _is_kept(node: Node, slot: Mapping[str, Any]) -> bool:
    """Whether an input that the definition may not have survives loading."""
    name: str = slot["name"]
    for index, spec in enumerate(node.specs):
        if spec.variants is not None and name.startswith(f"{spec.name}."):
            chosen = chosen_layout(spec, node.values[index])
            if name not in chosen.socket_names and not _grows(name, chosen):
                return any(
                    deeper.variants is not None
                    and deeper.name.startswith(f"{spec.name}.")
                    and name.startswith(f"{deeper.name}.")
                    for deeper in node.specs
                )
    if name in node.layout.socket_names or _grows(name, node.layout):
        return True
    widget = slot.get("widget")
    if not isinstance(widget, Mapping):
        return True
    return node.widget_index(widget.get("name") or "") is not None


def _grows(name: str, layout: Layout) -> bool:
    return any(name.startswith(f"{group}.") for group in layout.autogrow)


def _instance(loaded: Loaded, saved: Mapping[str, Any], node_id: str, graph: Graph) -> Node:
    node = Node(saved, node_id, Kind.INSTANCE, _NOTHING)
    node.host = host = Host(graph)
    host.links = subgraphs.match_inputs(node.inputs, graph.inputs, modern=loaded.profile.is_modern)
    for slot, link in zip(graph.inputs, host.links, strict=True):
        if link is not None:
            node.links.setdefault(slot.name, link)
    subgraphs.promote(node, host, modern=loaded.profile.is_modern)
    return node


def _take_links(node: Node) -> None:
    for slot in node.inputs:
        link = slot.get("link")
        if isinstance(link, ID_TYPES):
            node.links.setdefault(slot["name"], link)


def _register_setter(graph: Graph, node: Node) -> None:
    values = node.saved.get("widgets_values")
    if isinstance(values, list) and values and isinstance(values[0], str):
        graph.setters[values[0]] = node


def _strip_sampler(node: Node) -> None:
    """Old files call samplers ``sample_euler`` (app.ts, loadGraphData)."""
    index = node.widget_index("sampler_name")
    if index is not None and isinstance(node.values[index], str):
        node.values[index] = node.values[index].removeprefix("sample_")
