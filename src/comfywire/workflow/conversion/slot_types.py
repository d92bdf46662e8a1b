"""Types of inputs and outputs, and which input a bypassed node passes on (editor-format.md, par. 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfywire.workflow.conversion.graph import INPUT_NODE, Graph, GraphNode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from comfywire.workflow.conversion.layout import InputSocket

__all__ = ["bypass_group_input", "bypass_input", "fits", "input_type", "output_type"]

_ANY = {"", "*"}


def fits(one: str, other: str) -> bool:
    """Return whether slots of these types can be linked; a type may be several, with commas between."""
    if one in _ANY or other in _ANY:
        return True
    some, others = one.lower(), other.lower()
    return some == others or not set(some.split(",")).isdisjoint(others.split(","))


def bypass_input(sockets: Sequence[InputSocket], output: str, wanted: str, slot: int) -> int | None:
    """Return which input a bypassed node passes on at output ``slot`` (ExecutableNodeDTO.ts).

    Args:
        sockets: The node's inputs.
        output: The type of that output.
        wanted: The type of the input that the link feeds in the end.
        slot: The output.

    """
    if wanted in _ANY:
        index = slot if slot < len(sockets) else 0
        return index if sockets else None
    if 0 <= slot < len(sockets) and fits(sockets[slot].type, output) and fits(sockets[slot].type, wanted):
        return slot
    for index, socket in enumerate(sockets):
        if socket.type == wanted:
            return index
    for index, socket in enumerate(sockets):
        if fits(socket.type, output) and fits(socket.type, wanted):
            return index
    return None


def bypass_group_input(sockets: Sequence[InputSocket], wanted: str, slot: int) -> int | None:
    """Return the same for 1.27's group nodes, which want the very type (executableGroupNodeDto.ts)."""
    places = [slot, *range(len(sockets))]
    return next((place for place in places if place < len(sockets) and sockets[place].type == wanted), None)


def output_type(origin: GraphNode, slot: int) -> str:
    """Return the type of an output, of an instance too."""
    if origin.host is not None:
        outputs = origin.host.graph.outputs
        return outputs[slot].type if 0 <= slot < len(outputs) else "*"
    kind = origin.output_type(slot)
    return "*" if kind == "COMFY_MATCHTYPE_V3" else kind


def input_type(graph: Graph, host: GraphNode | None, node: GraphNode, name: str) -> str:
    """Return the type of the input ``name`` of ``node``.

    Inputs of one match group take the types of what the others are linked to (COMFY_MATCHTYPE_V3).

    Args:
        graph: Where the node stands.
        host: The instance that the graph is the inside of, if it is one.
        node: The node.
        name: Its input.

    """
    socket = next((socket for socket in node.sockets if socket.name == name), None)
    if socket is None:
        return "*"
    if not socket.match_group:
        return socket.type
    others = [one for one in node.sockets if one.match_group == socket.match_group and one is not socket]
    return _common_type([*_linked_types(graph, host, node, others), socket.type])


def _linked_types(
    graph: Graph, host: GraphNode | None, node: GraphNode, sockets: Iterable[InputSocket]
) -> Iterator[str]:
    for socket in sockets:
        link = graph.links.get(node.links.get(socket.name))
        if link is None:
            continue
        if link.origin_id == INPUT_NODE and host is not None and host.host is not None:
            inputs = host.host.graph.inputs
            yield inputs[link.origin_slot].type if 0 <= link.origin_slot < len(inputs) else "*"
        elif link.origin_id in graph.nodes:
            yield output_type(graph.nodes[link.origin_id], link.origin_slot)


def _common_type(types: Iterable[str]) -> str:
    """Return what all of these types have in common; nothing in common leaves any type."""
    common: list[str] | None = None
    for kind in types:
        if kind not in _ANY:
            parts = kind.split(",")
            common = parts if common is None else [part for part in common if part in parts]
    return ",".join(common) if common else "*"
