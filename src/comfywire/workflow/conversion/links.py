"""Following a link to the node that is really sent (editor-format.md, par. 8 and 9)."""

from __future__ import annotations

from typing import Any, NamedTuple

from comfywire.workflow.conversion.graph import BYPASSED, INPUT_NODE, MUTED, Graph, GraphNode, Kind, Link
from comfywire.workflow.conversion.slot_types import bypass_group_input, bypass_input, input_type, output_type

__all__ = ["Frame", "Promoted", "Resolver", "Source"]

_MAX_STEPS = 1000
"""Longer chains than this are cycles; the front end gives up on them too."""


class Frame:
    """One instance of a graph: where in the nest of subgraphs a node stands."""

    __slots__ = ("_children", "graph", "host", "parent", "prefix")

    def __init__(self, graph: Graph, parent: Frame | None = None, host: GraphNode | None = None) -> None:
        self.graph = graph
        self.parent = parent
        self.host = host
        self.prefix: str = f"{parent.prefix}{host.id}:" if parent is not None and host is not None else ""
        self._children: dict[str, Frame] = {}

    def child(self, node: GraphNode) -> Frame:
        """Return the inside of ``node``, an instance that stands in this frame."""
        known = self._children.get(node.id)
        if known is None:
            assert node.host is not None
            known = self._children[node.id] = Frame(node.host.graph, self, node)
        return known

    @property
    def depth(self) -> int:
        """How many instances it is in."""
        return self.prefix.count(":")


class Source(NamedTuple):
    """A link ends here: output ``slot`` of the node that is sent as ``node_id``."""

    node_id: str
    slot: int


class Promoted(NamedTuple):
    """A link ends at an instance's own value; ``slots`` are the inputs on its way, the inner first."""

    value: Any
    slots: tuple[tuple[Frame, int], ...] = ()


_Step = tuple[Frame, Any, str | None]
"""A link to follow further, and the type that is asked for, where it is known."""


class Resolver:
    """Follows links; what cannot be followed is unlinked, with a warning."""

    def __init__(self, warnings: list[str], *, modern: bool) -> None:
        self._warnings = warnings
        self._modern = modern

    def resolve(self, frame: Frame, node: GraphNode, name: str) -> Source | Promoted | None:
        """Return what the input ``name`` of ``node`` is fed by, or None."""
        if frame.graph.is_group and not self._modern:
            return self._from_group(frame, frame.graph.links[node.links[name]])
        here, link_id = frame, node.links[name]
        kind: str | None = None
        slots: tuple[tuple[Frame, int], ...] = ()
        for _ in range(_MAX_STEPS):
            link = here.graph.links.get(link_id)
            if link is None:
                self._warn(frame, node, name, f"link {link_id!r} is not in the file")
                return None
            if link.origin_id == INPUT_NODE and here.host is not None:
                slots = (*slots, (here, link.origin_slot))
                outer = self._outer(here, link.origin_slot)
                if isinstance(outer, Promoted):
                    return Promoted(outer.value, slots)
                if outer is None:
                    return None
                here, link_id, kind = outer
                continue
            origin = here.graph.nodes.get(link.origin_id)
            if origin is None:
                self._warn(frame, node, name, f"node {link.origin_id} does not exist")
                return None
            if kind is None and origin.mode == BYPASSED:
                kind = input_type(frame.graph, frame.host, node, name)
            through = self._through(here, origin, link.origin_slot, kind)
            if not isinstance(through, tuple) or isinstance(through, Source):
                return through
            here, link_id, kind = through
        self._warn(frame, node, name, "its links run in a circle")
        return None

    def _from_group(self, frame: Frame, link: Link) -> Source | None:
        """1.27's nodes of a group take the next node for the source, whatever it is (par. 10)."""
        if link.origin_id != INPUT_NODE:
            is_value = frame.graph.nodes[link.origin_id].kind is Kind.PRIMITIVE
            return None if is_value else Source(frame.prefix + link.origin_id, link.origin_slot)
        assert frame.parent is not None
        assert frame.host is not None
        assert frame.host.host is not None
        outer = frame.parent.graph.links.get(frame.host.host.links[link.origin_slot])
        return None if outer is None else Source(frame.parent.prefix + outer.origin_id, outer.origin_slot)

    def _outer(self, here: Frame, slot: int) -> _Step | Promoted | None:
        """Leave a subgraph by its input ``slot``: a link from outside, else the instance's own value."""
        assert here.host is not None
        assert here.parent is not None
        host = here.host.host
        if host is None or not 0 <= slot < len(host.links):
            return None
        if host.links[slot] is not None:
            return here.parent, host.links[slot], host.graph.inputs[slot].type
        return Promoted(host.promoted[slot]) if slot in host.promoted else None

    def _through(self, here: Frame, origin: GraphNode, slot: int, kind: str | None) -> _Step | Source | None:
        """Return where output ``slot`` of ``origin`` really comes from: itself, or a link further up.

        ``kind`` is the type of the input at the link's end; only bypassed nodes ask for it.
        """
        if origin.mode == MUTED and self._modern:
            return None
        if origin.mode == BYPASSED:
            return self._bypass(here, origin, slot, kind or "*")
        match origin.kind:
            case Kind.PLAIN | Kind.UNKNOWN:
                return Source(here.prefix + origin.id, slot)
            case Kind.INSTANCE:
                inner = here.child(origin)
                if not 0 <= slot < len(inner.graph.outputs) or inner.depth > _MAX_STEPS:
                    return None
                link_ids = inner.graph.outputs[slot].link_ids
                return (inner, link_ids[0], kind) if link_ids else None
            case Kind.GETTER:
                return _setter_input(here, origin, kind)
            case Kind.REROUTE | Kind.SETTER:
                link_id = _nth_link(origin, 0 if origin.kind is Kind.SETTER else slot)
                return None if link_id is None else (here, link_id, kind)
        return None

    def _bypass(self, here: Frame, origin: GraphNode, slot: int, kind: str) -> _Step | None:
        if origin.host is not None and origin.host.graph.is_group:
            index = bypass_group_input(origin.sockets, kind, slot)
        else:
            index = bypass_input(origin.sockets, output_type(origin, slot), kind, slot)
        if index is None:
            return None
        socket = origin.sockets[index]
        link_id = origin.host.links[index] if origin.host is not None else origin.links.get(socket.name)
        return None if link_id is None else (here, link_id, socket.type)

    def _warn(self, frame: Frame, node: GraphNode, name: str, why: str) -> None:
        self._warnings.append(
            f"node {frame.prefix}{node.id} ({node.type}): input {name!r} was left unlinked, since {why}"
        )


def _nth_link(node: GraphNode, index: int) -> Any:
    names = [slot["name"] for slot in node.inputs]
    return node.links.get(names[index]) if 0 <= index < len(names) else None


def _setter_input(here: Frame, getter: GraphNode, kind: str | None) -> _Step | None:
    """A GetNode stands for the input of the SetNode of its name, here or in a graph above (par. 6)."""
    values = getter.saved.get("widgets_values")
    name = values[0] if isinstance(values, list) and values else None
    frame: Frame | None = here
    while frame is not None:
        setter = frame.graph.setters.get(name) if isinstance(name, str) else None
        if setter is not None:
            link_id = _nth_link(setter, 0)
            return None if link_id is None or setter.mode == MUTED else (frame, link_id, kind)
        frame = frame.parent
    return None
