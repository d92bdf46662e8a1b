"""Loading: each saved node meets its definition, in root graph and subgraphs (editor-format.md, par. 2-4)."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from comfywire.errors import UnreadableWorkflow
from comfywire.workflow.conversion import group_nodes, proxy_widgets, subgraphs
from comfywire.workflow.conversion.graph import ID_TYPES, Graph, GraphNode, Host, Kind, read_links
from comfywire.workflow.conversion.group_nodes import GroupNodes
from comfywire.workflow.conversion.known_nodes import NodeMaker
from comfywire.workflow.conversion.layout import Layout
from comfywire.workflow.conversion.repeated_ids import one_of_each
from comfywire.workflow.conversion.text import is_number
from comfywire.workflow.conversion.unknown import UnknownType, pour_unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from comfywire.workflow.conversion.known import KnownTypes

__all__ = ["LoadedGraphs", "load_graphs"]

_VIRTUAL = {
    "Reroute": Kind.REROUTE,
    "PrimitiveNode": Kind.PRIMITIVE,
    "Note": Kind.NOTE,
    "MarkdownNote": Kind.NOTE,
}
# What packs call such nodes; see packs/pack.py.
_PACK_KINDS = {
    "note": Kind.NOTE,
    "reroute": Kind.REROUTE,
    "setter": Kind.SETTER,
    "getter": Kind.GETTER,
}
_NOTHING = Layout()


class LoadedGraphs:
    """A workflow as the editor has it after loading.

    Attributes:
        root: The root graph.
        graphs: All graphs, each subgraph definition once, the root last.
        warnings: What had to be left out or guessed, as sentences.
        unknown: The nodes whose type the server does not have.
        groups: The group nodes of the file, if it has any, once the subgraphs are filled.

    """

    def __init__(self, known_types: KnownTypes, choose: Callable[[Sequence[Any]], Any]) -> None:
        self.known_types = known_types
        self.profile = known_types.profile
        self.root = Graph()
        self.graphs: list[Graph] = []
        self.definitions: dict[str, Graph] = {}
        self.warnings: list[str] = []
        self.maker = NodeMaker(choose, modern=self.profile.is_modern)
        self.unknown: list[UnknownType] = []
        self.groups: GroupNodes | None = None


def load_graphs(
    document: Mapping[str, Any], known_types: KnownTypes, choose: Callable[[Sequence[Any]], Any]
) -> LoadedGraphs:
    """Return ``document`` loaded; ``choose`` picks where a node pack's browser half would draw a value.

    Raises:
        UnreadableWorkflow: It has no list of nodes.

    """
    if not isinstance(document, Mapping) or not isinstance(document.get("nodes"), list):
        raise UnreadableWorkflow(
            "this is not a workflow that the editor saved: it has no list of nodes; "
            "save it again with 'Save' or 'Export (API)'"
        )
    loaded = LoadedGraphs(known_types, choose)
    is_modern = known_types.profile.is_modern
    saved = subgraphs.find_definitions(document)
    root_nodes = subgraphs.saved_nodes(document)
    nodes = {definition_id: subgraphs.saved_nodes(definition) for definition_id, definition in saved.items()}
    fresh = subgraphs.renumber(document, root_nodes, nodes) if saved and is_modern else {}
    last_link_id = subgraphs.last_link_id(document)
    for definition_id, definition in saved.items():
        renamed = fresh.get(definition_id, {})
        loaded.definitions[definition_id] = _graph(definition, definition_id, renamed, last_link_id)
    order = subgraphs.leaves_first(nodes) if is_modern else list(saved)
    for definition_id in order:
        graph = loaded.definitions[definition_id]
        graph.saved = saved[definition_id]
        _fill(loaded, graph, nodes[definition_id], fresh)
        loaded.graphs.append(graph)
    loaded.root.links = read_links(document.get("links"))
    loaded.groups = GroupNodes.of(document, known_types.object_info, known_types.profile)
    loaded.root.saved = document
    _fill(loaded, loaded.root, root_nodes, fresh)
    if loaded.groups is not None and is_modern:
        group_nodes.migrate(loaded.root, _fresh_ids(loaded, document))
    loaded.graphs.append(loaded.root)
    for made in known_types.packs.passes:
        for graph in loaded.graphs:
            made(graph, loaded.warnings)
    return loaded


def _fresh_ids(loaded: LoadedGraphs, document: Mapping[str, Any]) -> Callable[[], str]:
    used = (
        int(node_id)
        for graph in [loaded.root, *loaded.graphs]
        for node_id in graph.nodes
        if is_number(node_id)
    )
    counter = itertools.count(max([subgraphs.last_node_id(document), *used]) + 1)
    return lambda: str(next(counter))


def _graph(
    definition: Mapping[str, Any], definition_id: str, fresh: Mapping[int, int], last_link_id: int
) -> Graph:
    graph = Graph(definition_id)
    graph.links = read_links(definition.get("links"))
    graph.last_link_id = max(last_link_id, subgraphs.last_link_id(definition))
    if fresh:
        renamed = {str(old): str(new) for old, new in fresh.items()}
        for link in graph.links.values():
            link.origin_id = renamed.get(link.origin_id, link.origin_id)
            link.target_id = renamed.get(link.target_id, link.target_id)
    graph.inputs = subgraphs.read_slots(definition, "inputs", graph.links)
    graph.outputs = subgraphs.read_slots(definition, "outputs", graph.links)
    return graph


def _fill(
    loaded: LoadedGraphs,
    graph: Graph,
    nodes: list[Mapping[str, Any]],
    fresh: Mapping[str, Mapping[int, int]],
) -> None:
    renamed = fresh.get(graph.id, {})
    for one in _distinct(loaded, graph.saved, nodes):
        node = _node(loaded, graph, one, str(renamed.get(one["id"], one["id"]) if renamed else one["id"]))
        graph.nodes[node.id] = node
    if loaded.profile.is_modern and loaded.definitions:
        for node in graph.nodes.values():
            if node.host is not None:
                proxy_widgets.migrate(node, node.host, fresh.get(node.type, {}))


def _distinct(
    loaded: LoadedGraphs, saved: Mapping[str, Any], nodes: list[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    if len({one["id"] for one in nodes}) == len(nodes):
        return nodes
    repeated = Counter(str(one["id"]) for one in nodes)
    loaded.warnings += [
        f"node {node_id}: {count} nodes have this id, and one of them is sent; give them ids of their own"
        for node_id, count in repeated.items()
        if count > 1
    ]
    fresh = itertools.count(subgraphs.last_node_id(saved) + 1)
    return one_of_each(nodes, lambda: next(fresh), modern=loaded.profile.is_modern)


def _node(loaded: LoadedGraphs, graph: Graph, saved: Mapping[str, Any], node_id: str) -> GraphNode:
    class_type = saved["type"]
    class_type = loaded.profile.renamed.get(class_type, class_type)
    known = loaded.known_types.get(class_type)
    if class_type in _VIRTUAL:
        node = GraphNode(saved, node_id, _VIRTUAL[class_type], _NOTHING)
        _take_links(node)
    elif class_type in loaded.definitions:
        node = _instance(loaded, saved, node_id, loaded.definitions[class_type])
    elif loaded.groups is not None and (group := loaded.groups.find(class_type)) is not None:
        node = loaded.groups.instance(
            saved, node_id, group, lambda inside, one, one_id: _node(loaded, inside, one, one_id)
        )
    elif known is not None:
        node = loaded.maker.make(known, saved, node_id, is_root=graph is loaded.root)
    else:
        virtual = loaded.known_types.packs.virtual.get(class_type, "")
        node = GraphNode(saved, node_id, _PACK_KINDS.get(virtual, Kind.UNKNOWN), _NOTHING)
        _take_links(node)
        if node.kind is Kind.SETTER:
            _register_setter(graph, node)
        elif node.kind is Kind.UNKNOWN:
            was_asked = not loaded.known_types.object_info.is_packaged
            unknown = pour_unknown(node, modern=loaded.profile.is_modern, was_asked=was_asked)
            loaded.unknown.append(unknown)
            loaded.warnings.append(str(unknown))
    title = saved.get("title")
    node.title = title if title and isinstance(title, str) else known.display_name if known else class_type
    return node


def _instance(loaded: LoadedGraphs, saved: Mapping[str, Any], node_id: str, graph: Graph) -> GraphNode:
    node = GraphNode(saved, node_id, Kind.INSTANCE, _NOTHING)
    node.host = host = Host(graph)
    host.links = subgraphs.match_inputs(node.inputs, graph.inputs, modern=loaded.profile.is_modern)
    for slot, link in zip(graph.inputs, host.links, strict=True):
        if link is not None:
            node.links.setdefault(slot.name, link)
    subgraphs.promote(node, host, modern=loaded.profile.is_modern)
    return node


def _take_links(node: GraphNode) -> None:
    for slot in node.inputs:
        link = slot.get("link")
        if isinstance(link, ID_TYPES):
            node.links.setdefault(slot["name"], link)


def _register_setter(graph: Graph, node: GraphNode) -> None:
    values = node.saved.get("widgets_values")
    if isinstance(values, list) and values and isinstance(values[0], str):
        graph.setters[values[0]] = node
