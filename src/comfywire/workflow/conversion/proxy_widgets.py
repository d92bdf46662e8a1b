"""``proxyWidgets``: how front ends 1.28 to 1.44 saved which inner widgets an instance shows.

1.49 turns each entry into an input of the subgraph when it loads the file (editor-format.md, par. 10;
proxyWidgetMigration.ts). The plan of all entries is made before the first is carried out.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from comfywire.workflow.conversion.graph import Graph, GraphNode, Host, Kind
from comfywire.workflow.conversion.layout import ABSENT, InputSocket
from comfywire.workflow.conversion.subgraphs import source_value
from comfywire.workflow.conversion.text import is_number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["migrate"]

_PREFIX = re.compile(r"\s*(\d+)\s*:\s*(.+)", re.DOTALL)
_MAX_NESTING = 50


class _Entry(NamedTuple):
    node_id: str
    widget: str
    inner_id: str | None
    """The node inside a nested instance that is meant, where names alone are ambiguous."""
    value: Any


def migrate(node: GraphNode, host: Host, fresh: Mapping[int, int]) -> None:
    """Carry out the entries of one instance; ``fresh`` has the new ids of inner nodes."""
    entries = [_normalized(host, entry) for entry in _entries(node.saved, fresh)]
    if not entries:
        return
    _say_reused_numbers(host.graph, len(entries))
    linked, names = _linked_slots(host), _Names(host.graph)
    primitives: dict[str, list[_Entry]] = {}
    for entry in entries:
        slot = linked.get((entry.node_id, entry.widget))
        source = host.graph.nodes.get(entry.node_id)
        if slot is not None:
            _set(host, slot, entry.value)
        elif source is None:
            _set_by_name(host, entry)
        elif source.kind is Kind.PRIMITIVE:
            primitives.setdefault(source.id, []).append(entry)
        else:
            _add_slot(host, source, entry, names)
    for node_id, group in primitives.items():
        _replace_primitive(host, host.graph.nodes[node_id], group, names)


def _say_reused_numbers(graph: Graph, added: int) -> None:
    """Where the counter of links is behind, as in files that no editor wrote, 1.49 uses numbers twice."""
    first = graph.last_link_id
    for number in range(first + 1, first + 1 + added):
        carrier = graph.carrier(number) if number in graph.links else None
        if carrier is not None:
            node, name = carrier
            node.say(
                f"its input {name!r} keeps link {number}; the editor gives this number to another link, "
                "since lastLinkId is too low in the file"
            )
    graph.last_link_id = first + added


def _entries(saved: Mapping[str, Any], fresh: Mapping[int, int]) -> Iterator[_Entry]:
    properties, values = saved.get("properties"), saved.get("widgets_values")
    listed = properties.get("proxyWidgets") if isinstance(properties, dict) else None
    if isinstance(listed, str):
        try:
            listed = json.loads(listed)
        except ValueError:
            return
    for index, entry in enumerate(listed if isinstance(listed, list) else ()):
        if isinstance(entry, list) and len(entry) >= 2 and isinstance(entry[1], str):
            value = values[index] if isinstance(values, list) and index < len(values) else None
            inner_id = str(entry[2]) if len(entry) > 2 and entry[2] is not None else None
            yield _Entry(_renamed(entry[0], fresh), entry[1], inner_id, value)


def _renamed(node_id: Any, fresh: Mapping[int, int]) -> str:
    said = str(node_id)
    return str(fresh.get(int(said), said)) if is_number(said) else said


def _normalized(host: Host, entry: _Entry) -> _Entry:
    """Take ``12: 5: `` off a name that does not resolve with it; the last number says which node is meant."""
    if _resolves(host, entry.node_id, entry.widget, _MAX_NESTING):
        return entry
    name, inner_id = entry.widget, entry.inner_id
    while match := _PREFIX.fullmatch(name):
        inner_id, name = match.groups()
    return entry._replace(widget=name, inner_id=inner_id)


def _resolves(host: Host, node_id: str, name: str, depth: int) -> bool:
    node = host.graph.nodes.get(node_id)
    if node is None or not depth:
        return False
    if node.host is None:
        return node.widget_index(name) is not None
    slot = node.host.slot_named(name)
    target = _target(node.host.graph, slot) if slot is not None else None
    return target is not None and _resolves(node.host, target[0].id, target[1], depth - 1)


def _target(graph: Graph, slot: int) -> tuple[GraphNode, str] | None:
    """Return the inner node and the widget (of a nested instance: the input) that ``slot`` leads to."""
    for link_id in graph.inputs[slot].link_ids:
        carrier = graph.carrier(link_id) if link_id in graph.links else None
        if carrier is not None and (
            carrier[0].host is not None or carrier[0].widget_index(carrier[1]) is not None
        ):
            return carrier
    return None


def _linked_slots(host: Host) -> dict[tuple[str, str], int]:
    """Return the slots that lead to inner widgets already, by node and widget."""
    linked: dict[tuple[str, str], int] = {}
    for slot in range(len(host.graph.inputs)):
        target = _target(host.graph, slot)
        if target is not None:
            linked.setdefault((target[0].id, target[1]), slot)
    return linked


def _set(host: Host, slot: int, value: Any) -> None:
    if value is not None and slot in host.promoted:
        host.promoted[slot] = value


def _set_by_name(host: Host, entry: _Entry) -> None:
    """Entries of a node that is gone do nothing, but those of "-1" mean the instance itself."""
    slot = host.slot_named(entry.widget) if entry.node_id == "-1" else None
    if slot is not None:
        _set(host, slot, entry.value)


def _add_slot(host: Host, source: GraphNode, entry: _Entry, names: _Names) -> None:
    name = _source_input(source, entry)
    if name is None or name.startswith("$$"):
        return
    socket = next((socket for socket in source.sockets if socket.name == name), None)
    if socket is None:
        return
    slot = host.graph.add_input(names.unique(entry.widget), socket.type)
    host.graph.link_input(slot, source, name)
    _show(host, slot, entry.value)


def _source_input(source: GraphNode, entry: _Entry) -> str | None:
    """Return the input of ``source`` that feeds the widget which the entry names."""
    if source.host is None:
        index = source.widget_index(entry.widget)
        return entry.widget if index is not None and source.specs[index].type != "AUDIO_UI" else None
    slot = _meant_slot(source.host, entry)
    if slot is None or slot not in source.host.promoted:
        slot = source.host.slot_named(entry.widget)
    return source.host.graph.inputs[slot].name if slot is not None and slot in source.host.promoted else None


def _meant_slot(host: Host, entry: _Entry) -> int | None:
    """Return the input of a nested instance that leads to the entry's widget."""
    for slot, made in enumerate(host.graph.inputs):
        target = _target(host.graph, slot)
        is_target = target is not None and target[1] == entry.widget
        if entry.inner_id is None:
            if is_target or made.name == entry.widget:
                return slot
        elif is_target and target is not None and target[0].id == entry.inner_id:
            return slot
    return None


class _Names:
    """The names of a definition's inputs, and new ones that differ from them."""

    def __init__(self, graph: Graph) -> None:
        self._taken = {slot.name for slot in graph.inputs}
        self._numbers: dict[str, int] = {}

    def unique(self, name: str) -> str:
        """Return ``name``, or the first of ``name_1``, ``name_2`` ... that is free."""
        found, number = name, self._numbers.get(name, 0)
        while found in self._taken:
            number += 1
            found = f"{name}_{number}"
        self._numbers[name] = number
        self._taken.add(found)
        return found


def _show(host: Host, slot: int, value: Any) -> None:
    """Promote the new slot on every instance, and give this one its value."""
    default = source_value(host.graph, host.graph.inputs[slot])
    if default is ABSENT:
        return
    for instance in host.graph.hosts:
        instance.promoted[slot] = default
    _set(host, slot, value)


def _replace_primitive(host: Host, primitive: GraphNode, entries: list[_Entry], names: _Names) -> None:
    """A new slot takes the place of an inner PrimitiveNode for all its targets."""
    graph, kind = host.graph, primitive.output_type(0)
    targets = list(_primitive_targets(graph, primitive))
    if not targets or any(entry.widget != entries[0].widget for entry in entries):
        return
    if any(
        node is None or (kind != socket.type and "*" not in {kind, socket.type}) for node, socket in targets
    ):
        return
    title = primitive.title if primitive.title != "PrimitiveNode" else ""
    slot = graph.add_input(names.unique(title or entries[0].widget), kind)
    for node, socket in targets:
        assert node is not None
        graph.link_input(slot, node, socket.name)
    _show(host, slot, next((entry.value for entry in entries if entry.value is not None), None))


def _primitive_targets(graph: Graph, primitive: GraphNode) -> Iterator[tuple[GraphNode | None, InputSocket]]:
    """Yield what the primitive's links lead to, by the file's stale ``target_slot``.

    1.49 has not repaired it yet, but for nodes that rebuild their inputs while their values are put in.
    """
    for link_id in graph.links_from(primitive.id):
        link = graph.links[link_id]
        if link.origin_slot != 0:
            continue
        node = graph.nodes.get(link.target_id)
        if node is None:
            yield None, _NO_SOCKET
            continue
        index = link.target_slot
        if not node.layout.is_static or node.layout.autogrow:
            carrier = graph.carrier(link_id)
            names = [socket.name for socket in node.sockets]
            index = names.index(carrier[1]) if carrier is not None and carrier[1] in names else None
        if isinstance(index, int) and 0 <= index < len(node.sockets):
            yield node, node.sockets[index]
        else:
            yield None, _NO_SOCKET


_NO_SOCKET = InputSocket("", "*")
