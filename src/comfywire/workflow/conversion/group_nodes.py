"""Group nodes, replaced by instances of a subgraph that holds the group's nodes (editor-format.md, par. 10).

1.27 sends node k of group G as "G:k". 1.49 turns groups into subgraphs when it loads a file: the nodes get
new ids, the instance too, the group's mode is lost, and so is what inner PrimitiveNodes set or comes in
through inner Reroutes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from comfywire.workflow.conversion.graph import INPUT_NODE, Graph, GraphNode, Host, Kind, Link, Slot
from comfywire.workflow.conversion.group_types import GroupType
from comfywire.workflow.conversion.layout import ABSENT, InputSocket, Layout
from comfywire.workflow.conversion.slot_types import fits, output_type
from comfywire.workflow.conversion.special import layout_of
from comfywire.workflow.conversion.values import ForcedInputs, pour

if TYPE_CHECKING:
    from comfywire.workflow.object_info import ObjectInfo
    from comfywire.workflow.profiles import Profile

__all__ = ["GroupNodes", "migrate"]

Saved = Mapping[str, Any]
MakeNode = Callable[[Graph, Saved, str], GraphNode]


class GroupNodes:
    """The group nodes of one file."""

    def __init__(self, saved: Saved, object_info: ObjectInfo, profile: Profile) -> None:
        self._saved = saved
        self._object_info = object_info
        self._profile = profile

    @classmethod
    def of(cls, document: Saved, object_info: ObjectInfo, profile: Profile) -> GroupNodes | None:
        """Return the group nodes that ``document`` keeps in ``extra``, or None if there are none."""
        extra = document.get("extra")
        saved = extra.get("groupNodes") if isinstance(extra, Mapping) else None
        return cls(saved, object_info, profile) if isinstance(saved, Mapping) and saved else None

    def find(self, class_type: str) -> GroupType | None:
        """Return the whole group that ``class_type`` names: "workflow>NAME", older "workflow/NAME"."""
        name = class_type[9:] if class_type.startswith(("workflow>", "workflow/")) else None
        saved = self._saved.get(name) if name is not None else None
        if not isinstance(saved, Mapping) or not isinstance(saved.get("nodes"), list):
            return None
        group = GroupType(saved, self._object_info, self._profile)
        return None if group.missing() else group

    def instance(self, saved: Saved, node_id: str, group: GroupType, make_node: MakeNode) -> GraphNode:
        """Return the group node as an instance with the group's nodes inside; their ids are their places."""
        layout, values = self._poured(saved, group)
        graph = Graph(saved["type"])
        graph.is_group = True
        nodes = [make_node(graph, {"id": 0, **inner}, str(place)) for place, inner in enumerate(group.nodes)]
        for node in nodes:
            node.links.clear()
            graph.nodes[node.id] = node
        graph.inputs = [Slot(socket.name, socket.type, []) for socket in layout.sockets]
        _link_inside(graph, group, nodes)
        graph.outputs = [_output(graph, nodes[place], slot) for place, slot in group.outputs]
        _put_values(group, nodes, values, modern=self._profile.is_modern)
        node = GraphNode(saved, node_id, Kind.INSTANCE, Layout())
        node.host = Host(graph)
        links = ((slot["name"], slot.get("link")) for slot in node.inputs)
        node.links = {name: link for name, link in links if isinstance(link, int | str)}
        node.host.links = [node.links.get(slot.name) for slot in graph.inputs]
        return node

    def _poured(self, saved: Saved, group: GroupType) -> tuple[Layout, dict[str, Any]]:
        node_type = group.node_type(saved["type"])
        layout = layout_of(node_type, self._profile)
        forced = ForcedInputs.of(node_type, layout, self._profile)
        modern = self._profile.is_modern
        specs, values = pour(layout, saved.get("widgets_values"), forced, by_name=False, modern=modern)
        return layout, {spec.name: value for spec, value in zip(specs, values, strict=True)}


def _link_inside(graph: Graph, group: GroupType, nodes: list[GraphNode]) -> None:
    for place, node in enumerate(nodes):
        internal, external = group.links_to(place), group.input_slots.get(place, {})
        # Both kinds of slots are places among the inputs that the node has after loading.
        for index, socket in enumerate(node.sockets):
            link = internal.get(index)
            if index in external and external[index] < len(graph.inputs):
                _add_link(graph, Link(INPUT_NODE, external[index], node.id, index, socket.type), socket.name)
            elif link is not None:
                made = Link(nodes[link.source].id, link.slot, node.id, index, link.type)
                _add_link(graph, made, socket.name)


def _add_link(graph: Graph, link: Link, name: str) -> None:
    link_id = f"in-{len(graph.links)}"
    graph.links[link_id] = link
    graph.nodes[link.target_id].links[name] = link_id


def _output(graph: Graph, node: GraphNode, slot: int) -> Slot:
    link_id = f"out-{len(graph.links)}"
    graph.links[link_id] = Link(node.id, slot, "-20", len(graph.outputs), None)
    return Slot("", node.output_type(slot), [link_id])


def _put_values(group: GroupType, nodes: list[GraphNode], values: Mapping[str, Any], *, modern: bool) -> None:
    """Write the group's widget values back into its nodes."""
    for place, names in group.widget_names.items():
        for own, given in names.items():
            value = values.get(given, ABSENT) if given is not None else ABSENT
            if value is ABSENT:
                continue
            targets = [(place, own)]
            if nodes[place].kind is Kind.PRIMITIVE:
                targets = [] if modern else group.primitive_targets.get(place, [])
            for target, name in targets:
                index = nodes[target].widget_index(name)
                if index is not None:
                    nodes[target].values[index] = value
                    nodes[target].is_plain = False


def migrate(root: Graph, ids: Callable[[], str]) -> None:
    """Give the groups of ``root`` new ids and break what 1.49 breaks when it makes subgraphs of them."""
    for node in [node for node in root.nodes.values() if node.host is not None and node.host.graph.is_group]:
        host = node.host
        assert host is not None
        renamed = {inner.id: ids() for inner in host.graph.nodes.values()}
        for link in host.graph.links.values():
            link.origin_id = renamed.get(link.origin_id, link.origin_id)
            link.target_id = renamed.get(link.target_id, link.target_id)
        inner = list(host.graph.nodes.values())
        for one in inner:
            one.id = renamed[one.id]
        host.graph.nodes = {one.id: one for one in inner}
        _break_links(root, host)
        del root.nodes[node.id]
        old, node.id, node.mode = node.id, ids(), 0
        root.nodes[node.id] = node
        for link in root.links.values():
            if link.origin_id == old:
                link.origin_id = node.id


def _break_links(root: Graph, host: Host) -> None:
    for node in host.graph.nodes.values():
        for name, link_id in list(node.links.items()):
            if not _survives(root, host, node, host.graph.links[link_id]):
                del node.links[name]


def _survives(root: Graph, host: Host, node: GraphNode, link: Link) -> bool:
    if link.origin_id != INPUT_NODE:
        inner = host.graph.nodes[link.origin_id]
        return inner.kind is not Kind.PRIMITIVE and fits(
            output_type(inner, link.origin_slot), _wanted(node, link)
        )
    if node.kind is Kind.REROUTE:
        return False
    outer = root.links.get(host.links[link.origin_slot])
    origin = root.nodes.get(outer.origin_id) if outer is not None else None
    if outer is None or origin is None:
        return True
    return fits(output_type(origin, outer.origin_slot), _wanted(node, link))


def _wanted(node: GraphNode, link: Link) -> str:
    socket: InputSocket = node.sockets[link.target_slot]
    return socket.type
