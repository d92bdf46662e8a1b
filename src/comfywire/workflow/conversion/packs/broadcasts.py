"""What Use Everywhere's nodes feed in files that do not record it, by types, names, groups and colours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from comfywire.workflow.conversion.graph import Kind
from comfywire.workflow.conversion.packs.title_patterns import WildPattern, is_found, pattern_of
from comfywire.workflow.conversion.slot_types import output_type

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from comfywire.workflow.conversion.graph import Graph, GraphNode
    from comfywire.workflow.conversion.layout import InputSocket

__all__ = ["SEED", "UE_TYPES", "broadcast", "is_free"]

SEED = "Seed Everywhere"
PROMPTS = "Prompts Everywhere"
BY_NAME = "Anything Everywhere?"
UE_TYPES = frozenset({"Anything Everywhere", "Anything Everywhere3", BY_NAME, PROMPTS, SEED})
_REGEXES = ("title_regex", "input_regex", "group_regex")


class _Source(NamedTuple):
    """An output that is broadcast."""

    controller: GraphNode
    origin_id: str
    slot: int
    type: str
    regexes: tuple[re.Pattern[str] | None, ...]
    """For titles, names of inputs, and groups."""
    inverted: tuple[bool, ...]
    group: int
    """1: only inside the groups that it is in itself, 2: only outside."""
    color: int
    priority: int


def broadcast(graph: Graph, nodes: Sequence[GraphNode]) -> set[str]:
    """Link every free input that ``nodes`` feed; return the ids of those that fed one.

    Of several that would, the one with the most particular conditions does; of equals none. Each is named in
    the warnings, since versions of the pack differ in what they feed.
    """
    sources = [source for node in nodes if not node.is_off for source in _sources(graph, node)]
    groups = _Groups(graph)
    feeding = set[str]()
    for node in list(graph.nodes.values()) if sources else ():
        if node.is_off or node.type in UE_TYPES or node.kind not in {Kind.PLAIN, Kind.INSTANCE, Kind.UNKNOWN}:
            continue
        settings = _settings(node)
        if settings.get("rejects_ue_links"):
            continue
        for socket in _open_sockets(graph, node, settings):
            source = _chosen(sources, node, socket, groups)
            if source is not None:
                graph.connect(source.origin_id, source.slot, node, socket.name)
                feeding.add(str(source.controller.saved.get("id")))
                node.say(_say_linked(socket, source))
    return feeding


def _say_linked(socket: InputSocket, source: _Source) -> str:
    by = source.controller
    return (
        f"its input {socket.name!r} was linked to node {source.origin_id}, since node {by.id} ({by.type}) "
        "broadcasts to it; this file does not record such links, so check it, or export from the editor in "
        "API format"
    )


def is_free(graph: Graph, node: GraphNode, name: str) -> bool:
    """Whether an input has no link, or one that the file does not have (pictures carry such)."""
    return node.links.get(name) not in graph.links


def _sources(graph: Graph, node: GraphNode) -> Iterator[_Source]:
    if node.type == SEED:
        yield _source(node, node.id, 0, "INT", [None, re.compile("seed"), None])
        return
    try:
        said = _said_regexes(node)
    except WildPattern:
        return  # it feeds nothing here, and is named for that
    for place, slot in enumerate(node.inputs):
        link = graph.links.get(slot.get("link"))
        origin = graph.nodes.get(link.origin_id) if link is not None else None
        if link is None or origin is None:
            continue
        kind = output_type(origin, link.origin_slot)
        if kind == "*" and isinstance(link.type, str):
            kind = link.type
        regexes = [*said]
        if node.type == PROMPTS:
            regexes[1] = re.compile(("positive", "negative")[min(place, 1)])
        yield _source(node, link.origin_id, link.origin_slot, kind, regexes)


def _source(
    node: GraphNode, origin_id: str, slot: int, kind: str, regexes: Sequence[re.Pattern[str] | None]
) -> _Source:
    settings = _settings(node)
    group, color = (_restriction(settings, f"{what}_restricted") for what in ("group", "color"))
    priority = 10 * (node.type in {SEED, PROMPTS}) + 20 * any(_said_regexes(node))
    priority += 3 * bool(group) + 6 * bool(color)
    inverted = tuple(bool(settings.get(f"{name}_invert")) for name in _REGEXES)
    return _Source(node, origin_id, slot, kind, tuple(regexes), inverted, group, color, priority)


def _said_regexes(node: GraphNode) -> list[re.Pattern[str] | None]:
    """Return what the node asks of titles, inputs and groups; "Anything Everywhere?" has them as values."""
    settings = _settings(node)
    said = [settings.get(name) for name in _REGEXES]
    values = node.saved.get("widgets_values")
    if node.type == BY_NAME and isinstance(values, list) and not any(said):
        said = [*values[:3], None, None, None][:3]
    return [_compiled(one) for one in said]


def _compiled(said: Any) -> re.Pattern[str] | None:
    if not isinstance(said, str) or said in {"", ".*"}:
        return None
    try:
        return pattern_of(said)
    except re.error:
        return None


def _settings(node: GraphNode) -> Mapping[str, Any]:
    properties = node.saved.get("properties")
    properties = properties if isinstance(properties, Mapping) else {}
    said = properties.get("ue_properties")
    return said if isinstance(said, Mapping) else properties


def _restriction(settings: Mapping[str, Any], name: str) -> int:
    said = settings.get(name)
    return int(said) if isinstance(said, int) and 0 <= said <= 2 else 0


def _open_sockets(graph: Graph, node: GraphNode, settings: Mapping[str, Any]) -> Iterator[InputSocket]:
    """Yield the inputs that may be fed: a widget's only where the node says so, or lists it as converted."""
    refused = settings.get("input_ue_unconnectable")
    connectable = settings.get("widget_ue_connectable")
    listed = {slot["name"] for slot in node.inputs}
    for socket in node.sockets:
        if not is_free(graph, node, socket.name):
            continue
        if isinstance(refused, Mapping) and refused.get(socket.name):
            continue
        if node.widget_index(socket.name) is not None:
            said = connectable.get(socket.name) if isinstance(connectable, Mapping) else None
            is_converted = connectable is None and socket.name in listed
            if not (said or is_converted):
                continue
        yield socket


def _chosen(
    sources: Sequence[_Source], node: GraphNode, socket: InputSocket, groups: _Groups
) -> _Source | None:
    fitting = [one for one in sources if one.type == socket.type and _fits(one, node, socket, groups)]
    fitting = [one for one in fitting if one.origin_id != node.id]
    best = max((one.priority for one in fitting), default=0)
    first = [one for one in fitting if one.priority == best]
    ends = {(one.origin_id, one.slot) for one in first}
    return first[0] if len(ends) == 1 else None


def _fits(source: _Source, node: GraphNode, socket: InputSocket, groups: _Groups) -> bool:
    texts = ((node.title or node.type,), (socket.name,), groups.titles(node))
    for regex, inverted, candidates in zip(source.regexes, source.inverted, texts, strict=True):
        if regex is not None and is_found(regex, candidates) == inverted:
            return False
    if source.group:
        together = bool(groups.of(source.controller) & groups.of(node))
        if together != (source.group == 1):
            return False
    if source.color:
        same = source.controller.saved.get("color") == node.saved.get("color")
        return same == (source.color == 1)
    return True


class _Groups:
    """The groups of a graph: which nodes stand in which."""

    def __init__(self, graph: Graph) -> None:
        listed = graph.saved.get("groups")
        self._groups = [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []
        self._of: dict[str, set[int]] = {}

    def of(self, node: GraphNode) -> set[int]:
        """Return the places in the list of the groups that the middle of ``node`` is in."""
        if node.id not in self._of:
            middle = _middle(node)
            bounds = enumerate(group.get("bounding") for group in self._groups)
            self._of[node.id] = {index for index, bounding in bounds if _holds(bounding, middle)}
        return self._of[node.id]

    def titles(self, node: GraphNode) -> tuple[str, ...]:
        """Return the titles of these groups."""
        return tuple(str(self._groups[index].get("title", "")) for index in self.of(node))


def _middle(node: GraphNode) -> tuple[float, float] | None:
    position, size = _pair(node.saved.get("pos")), _pair(node.saved.get("size")) or (0, 0)
    return None if position is None else (position[0] + size[0] / 2, position[1] + size[1] / 2)


def _pair(said: Any) -> tuple[float, float] | None:
    if isinstance(said, Mapping):
        said = [said.get("0"), said.get("1")]
    numbers = [one for one in said[:2] if isinstance(one, int | float)] if isinstance(said, list) else []
    return (numbers[0], numbers[1]) if len(numbers) == 2 else None


def _holds(bounding: Any, middle: tuple[float, float] | None) -> bool:
    sides = [side for side in bounding if isinstance(side, int | float)] if isinstance(bounding, list) else []
    if len(sides) != 4 or middle is None:
        return False
    left, top, width, height = sides
    return left <= middle[0] <= left + width and top <= middle[1] <= top + height
