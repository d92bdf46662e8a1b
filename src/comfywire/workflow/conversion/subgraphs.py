"""Subgraph definitions: their order, their ids, their inputs, and the widgets that instances promote.

Everything here is editor-format.md, par. 10.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from comfywire.workflow.conversion.graph import ID_TYPES, INPUT_NODE, Graph, GraphNode, Host, Link, Slot
from comfywire.workflow.conversion.layout import ABSENT
from comfywire.workflow.conversion.values import settled

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = [
    "Shared",
    "find_definitions",
    "label_of",
    "last_link_id",
    "last_node_id",
    "leaves_first",
    "match_inputs",
    "promote",
    "read_slots",
    "renumber",
    "saved_nodes",
    "source_value",
    "widget_behind",
]

Saved = Mapping[str, Any]
_MAX_NESTING = 50


def find_definitions(document: Saved) -> dict[str, Saved]:
    """Return the subgraph definitions by id, in file order; nested lists are flattened."""
    return {definition["id"]: definition for definition in _definitions(document, _MAX_NESTING)}


def _definitions(holder: Saved, depth: int) -> Iterator[Saved]:
    definitions = holder.get("definitions")
    listed = definitions.get("subgraphs") if isinstance(definitions, Mapping) else None
    for definition in listed if isinstance(listed, list) and depth else ():
        if isinstance(definition, Mapping) and isinstance(definition.get("id"), str):
            yield definition
            yield from _definitions(definition, depth - 1)


def leaves_first(nodes: Mapping[str, Sequence[Saved]]) -> list[str]:
    """Return the ids with every definition after those it uses; 1.27 keeps the file's order instead.

    ``nodes`` has those of each definition.
    """
    ordered: dict[str, None] = {}

    def add(definition_id: str, above: tuple[str, ...]) -> None:
        if definition_id in ordered or definition_id in above:
            return
        for node in nodes[definition_id]:
            if node["type"] in nodes:
                add(node["type"], (*above, definition_id))
        ordered[definition_id] = None

    for definition_id in nodes:
        add(definition_id, ())
    return list(ordered)


def saved_nodes(graph: Saved) -> list[Saved]:
    """Return what is a node in ``nodes``: it has a type and an id."""
    listed = graph.get("nodes")
    return [
        node
        for node in (listed if isinstance(listed, list) else ())
        if type(node) is dict and isinstance(node.get("type"), str) and isinstance(node.get("id"), ID_TYPES)
    ]


def renumber(
    document: Saved, root: Sequence[Saved], nodes: Mapping[str, Sequence[Saved]]
) -> dict[str, dict[int, int]]:
    """Return new ids for inner nodes whose id is taken, by definition id (subgraphDeduplication.ts, 1.49).

    Ids are unique over the whole file: a taken one becomes the next free one above the file's counter, which
    follows the largest id seen. ``root`` and ``nodes`` have those of the root graph and of each definition.
    """
    taken = {node["id"] for node in root if type(node["id"]) is int}
    counter = max([last_node_id(document), *taken])
    renumbered: dict[str, dict[int, int]] = {}
    for definition_id, inner in nodes.items():
        fresh: dict[int, int] = {}
        for node in inner:
            node_id = node["id"]
            if type(node_id) is not int:
                continue
            if node_id in taken:
                counter += 1
                while counter in taken:
                    counter += 1
                fresh[node_id] = node_id = counter
            taken.add(node_id)
            counter = max(counter, node_id)
        if fresh:
            renumbered[definition_id] = fresh
    return renumbered


def last_node_id(document: Saved) -> int:
    """Return the file's own counter of node ids."""
    return _counter(document, "lastNodeId", "last_node_id")


def last_link_id(graph: Saved) -> int:
    """Return the counter of links of the file, or of a definition."""
    return _counter(graph, "lastLinkId", "last_link_id")


def _counter(graph: Saved, modern: str, old: str) -> int:
    state = graph.get("state")
    for said in (state.get(modern) if isinstance(state, dict) else None, graph.get(old)):
        if isinstance(said, int):
            return said
    return 0


def read_slots(definition: Saved, key: str, links: Mapping[Any, Link]) -> list[Slot]:
    """Return the inputs or outputs of a definition.

    A slot lists its links; where the list is missing, the links themselves say where they begin.
    """
    listed = definition.get(key)
    slots = [slot for slot in listed if isinstance(slot, dict)] if isinstance(listed, list) else []
    return [_slot(slot, index, key, links) for index, slot in enumerate(slots)]


def _slot(saved: Saved, index: int, key: str, links: Mapping[Any, Link]) -> Slot:
    name, kind, link_ids = saved.get("name"), saved.get("type"), saved.get("linkIds")
    if not isinstance(link_ids, list):
        link_ids = [link_id for link_id, link in links.items() if _touches(link, index, key)]
    return Slot(
        name if isinstance(name, str) else "",
        kind if isinstance(kind, str) else "*",
        [link_id for link_id in link_ids if isinstance(link_id, ID_TYPES)],
    )


def _touches(link: Link, index: int, key: str) -> bool:
    if key == "inputs":
        return link.origin_id == INPUT_NODE and link.origin_slot == index
    return link.target_id == "-20" and link.target_slot == index


class Shared(NamedTuple):
    """A value that all instances share with the inner widget: 1.27's texts of several lines.

    They are one HTML textarea, so the instance that is loaded last decides for all.
    """

    node: GraphNode
    widget: int

    @property
    def value(self) -> Any:
        """What the textarea holds."""
        return self.node.values[self.widget]

    def put(self, value: Any) -> None:
        """Write into the textarea."""
        self.node.values[self.widget] = settled(self.node.specs[self.widget], value)
        self.node.is_plain = False


def promote(node: GraphNode, host: Host, *, modern: bool) -> None:
    """Give the instance a value of its own for each input that leads to a widget, and pour its saved ones.

    The default is the inner widget's value; ``widgets_values`` is assigned by position over these inputs.
    """
    first = {slot.name: slot for slot in reversed(host.graph.inputs)}
    for index, slot in enumerate(host.graph.inputs):
        # 1.27 looks a slot up by name: of two with one name, the second is never seen.
        default = source_value(host.graph, slot if modern else first[slot.name], modern=modern)
        if default is not ABSENT:
            host.promoted[index] = default
    saved = node.saved.get("widgets_values")
    if not isinstance(saved, list):
        return
    if len(saved) > len(host.promoted) and not _has_proxies(node):
        _say_shifted(node, host, len(saved))
    for index, value in zip(tuple(host.promoted), saved, strict=False):
        known = host.promoted[index]
        if isinstance(known, Shared):
            known.put(value)
        else:
            host.promoted[index] = value


def _has_proxies(node: GraphNode) -> bool:
    """Whether its values are those of ``proxyWidgets`` (`conversion/proxy_widgets.py`)."""
    properties = node.saved.get("properties")
    return isinstance(properties, Mapping) and bool(properties.get("proxyWidgets"))


def _say_shifted(node: GraphNode, host: Host, count: int) -> None:
    """Say it of the inner nodes, where values were saved for inputs that no longer lead to a widget."""
    inner = {
        carrier[0].id: carrier[0]
        for index in host.promoted
        for carrier in map(host.graph.carrier, host.graph.inputs[index].link_ids)
        if carrier is not None
    }
    for one in inner.values():
        one.say(
            f"node {node.id} has {count} values for {len(host.promoted)} inputs of its subgraph that have "
            "widgets, so those of this node may be others'; compare it with the editor"
        )


def source_value(graph: Graph, slot: Slot, *, modern: bool = True) -> Any:
    """Return the value of the widget that ``slot`` leads to, or ABSENT where it leads to none."""
    for link_id in slot.link_ids:
        carrier = graph.carrier(link_id) if link_id in graph.links else None
        if carrier is not None and not modern:
            carrier = _stale_carrier(carrier[0], graph.links[link_id].target_slot)
        if carrier is None:
            continue
        inner, name = carrier
        if inner.host is not None:
            nested = inner.host.slot_named(name)
            if nested is not None and nested in inner.host.promoted:
                return inner.host.promoted[nested]
            continue
        index = inner.widget_index(name)
        if index is None:
            continue
        if inner.specs[index].is_textarea and not modern:
            return Shared(inner, index)
        # A widget without a value is promoted all the same.
        return None if inner.values[index] is ABSENT else inner.values[index]
    return ABSENT


def widget_behind(graph: Graph, slot: Slot) -> tuple[GraphNode, str] | None:
    """Return the inner node and the widget, or the input of an instance, that ``slot`` leads to first."""
    carriers = (graph.carrier(link_id) for link_id in slot.link_ids if link_id in graph.links)
    for inner, name in (carrier for carrier in carriers if carrier is not None):
        nested = None if inner.host is None else inner.host.slot_named(name)
        is_promoted = inner.host is not None and nested in inner.host.promoted
        if is_promoted or (inner.host is None and inner.widget_index(name) is not None):
            return inner, name
    return None


def label_of(host: GraphNode, index: int, inner: GraphNode, name: str) -> str:
    """Return what the editor calls an instance's input: its own label, else the definition's, else its name.

    A slot that was made from ``proxyWidgets`` has the label of the inner node's input, ``name`` of ``inner``.
    """
    assert host.host is not None
    graph = host.host.graph
    slot = graph.inputs[index].name
    listed = graph.saved.get("inputs")
    defined = listed[index] if isinstance(listed, list) and index < len(listed) else None
    own = next((given for given in host.inputs if given["name"] == slot), None)
    made_from = next((given for given in inner.inputs if given["name"] == name and defined is None), None)
    labels = (given.get("label") for given in (own, made_from, defined) if isinstance(given, dict))
    return next((label for label in labels if isinstance(label, str) and label), slot)


def _stale_carrier(node: GraphNode, slot: Any) -> tuple[GraphNode, str] | None:
    """1.27 goes by the file's ``target_slot``, which may have become another input's (par. 2)."""
    known = isinstance(slot, int) and 0 <= slot < len(node.sockets)
    return (node, node.sockets[slot].name) if known else None


def match_inputs(saved: Sequence[Saved], slots: Sequence[Slot], *, modern: bool) -> list[Any]:
    """Return the link of each slot: by name and type, in order where names repeat, then by name alone.

    1.27 knows one input a name, the last.
    """
    if not modern:
        by_name = {given["name"]: _link_id(given) for given in saved}
        return [by_name.get(slot.name) for slot in slots]
    links: list[Any] = [None] * len(slots)
    free: dict[str, list[int]] = {}
    for index, slot in enumerate(slots):
        free.setdefault(slot.name, []).append(index)
    unmatched = [given for given in saved if not _match(given, free, slots, links, kind=given.get("type"))]
    for given in unmatched:
        _match(given, free, slots, links, kind=None)
    return links


def _match(
    given: Saved, free: Mapping[str, list[int]], slots: Sequence[Slot], links: list[Any], *, kind: Any
) -> bool:
    candidates = free.get(given["name"], [])
    index = next((one for one in candidates if kind is None or slots[one].type == kind), None)
    if index is None:
        return False
    candidates.remove(index)
    links[index] = _link_id(given)
    return True


def _link_id(given: Saved) -> Any:
    link_id = given.get("link")
    return link_id if isinstance(link_id, ID_TYPES) else None
