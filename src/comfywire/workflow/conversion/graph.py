"""The editor's file, loaded: nodes with sockets and widget values, and the links between them.

The front end never exports the file itself: it loads it, which pours the file's data into nodes made from
the server's definitions, and exports what it then has (editor-format.md, par. 1). This is the first half.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from comfywire.workflow.conversion.layout import ABSENT, InputSocket, Layout, WidgetSpec, chosen_layout

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = [
    "BYPASSED",
    "ID_TYPES",
    "INPUT_NODE",
    "MUTED",
    "OUTPUT_NODE",
    "Graph",
    "GraphNode",
    "Host",
    "Kind",
    "Link",
    "read_links",
]

MUTED = 2
BYPASSED = 4
ID_TYPES = (int, str)
"""What ids of nodes and links may be; a tuple, since ``int | str`` costs more at each check."""
INPUT_NODE = "-10"
"""The pseudo node at which the links from a subgraph's inputs begin."""
OUTPUT_NODE = "-20"
"""The pseudo node at which the links to a subgraph's outputs end."""


class Kind(Enum):
    """What becomes of a node when it is exported."""

    PLAIN = auto()
    REROUTE = auto()
    PRIMITIVE = auto()
    NOTE = auto()
    INSTANCE = auto()
    """Of a subgraph."""
    SETTER = auto()
    GETTER = auto()
    """KJNodes' pair: a GetNode stands for the input of the SetNode of the same name."""
    UNKNOWN = auto()


class Link:
    """One link; its ends are named by node id and slot index."""

    __slots__ = ("origin_id", "origin_slot", "target_id", "target_slot", "type")

    def __init__(self, origin_id: Any, origin_slot: Any, target_id: Any, target_slot: Any, kind: Any) -> None:
        self.origin_id = str(origin_id)
        self.origin_slot = origin_slot
        self.target_id = str(target_id)
        self.target_slot = target_slot
        self.type = kind


class GraphNode:
    """One node of a loaded graph.

    Attributes:
        links: Link id by input name, for the inputs that have one.
        specs: Its widgets, in order.
        values: Their values.
        said: What is to be said of it when it is sent, as the ends of sentences.
        is_suspect: Whether its saved values need a second look (`conversion/doubts.py`).
        is_plain: Whether its values are sent as they are.
        host: What an instance of a subgraph has beside.

    """

    __slots__ = (
        "_sockets",
        "host",
        "id",
        "is_plain",
        "is_suspect",
        "kind",
        "layout",
        "links",
        "mode",
        "said",
        "saved",
        "specs",
        "title",
        "type",
        "values",
    )

    def __init__(self, saved: Mapping[str, Any], node_id: str, kind: Kind, layout: Layout) -> None:
        self.saved = saved
        self.id = node_id
        self.type: str = saved["type"]
        self.kind = kind
        self.layout = layout
        mode = saved.get("mode")
        self.mode = mode if isinstance(mode, int) else 0
        self.title = ""
        self.links: dict[str, Any] = {}
        self.specs: Sequence[WidgetSpec] = ()
        self.values: list[Any] = []
        self.host: Host | None = None
        self.said: list[str] | None = None
        self.is_suspect = False
        self.is_plain = False
        self._sockets: list[InputSocket] | None = None

    def say(self, what: str) -> None:
        """Say something of the node when it is sent: the end of a sentence that begins with its name."""
        self.said = [*(self.said or ()), what]

    @property
    def is_off(self) -> bool:
        """Whether it is muted or bypassed."""
        return self.mode in {MUTED, BYPASSED}

    @property
    def inputs(self) -> list[Mapping[str, Any]]:
        """The inputs as they are saved, without what is no input."""
        listed = self.saved.get("inputs")
        slots = listed if isinstance(listed, list) else []
        return [slot for slot in slots if isinstance(slot, dict) and isinstance(slot.get("name"), str)]

    def widget_index(self, name: str) -> int | None:
        """Return which widget is called ``name``, if one is."""
        for index, spec in enumerate(self.specs):
            if spec.name == name:
                return index
        return None

    def value(self, name: str) -> Any:
        """Return the value of the widget ``name``, or ABSENT."""
        index = self.widget_index(name)
        return ABSENT if index is None else self.values[index]

    @property
    def sockets(self) -> list[InputSocket]:
        """All inputs in the editor's order, linked or not; only bypassing needs to know it."""
        if self._sockets is None:
            self._sockets = list(self._find_sockets())
        return self._sockets

    def _find_sockets(self) -> Iterator[InputSocket]:
        if self.host is not None:
            yield from self.host.sockets
            return
        known = set()
        for socket in self._own_sockets():
            known.add(socket.name)
            yield socket
        for slot in self.inputs:
            # What is left of other choices of a dynamic combo has gone with its value.
            if slot["name"] not in known and (self.layout.is_static or slot["name"] in self.links):
                kind = slot.get("type")
                yield InputSocket(slot["name"], kind if isinstance(kind, str) else "*")

    def _own_sockets(self) -> Iterator[InputSocket]:
        """Yield the definition's sockets, with those of a dynamic combo's choice right behind it."""
        if self.layout.is_static:
            yield from self.layout.sockets
            return
        combos = {
            spec.name: chosen_layout(spec, value)
            for spec, value in zip(self.specs, self.values, strict=True)
            if spec.variants is not None
        }
        for socket in self.layout.sockets:
            if not any(socket.name.startswith(f"{name}.") for name in combos):
                yield socket
                if socket.name in combos:
                    yield from _chosen_sockets(combos[socket.name], combos)

    def output_type(self, slot: int) -> str:
        """Return the type of output ``slot``; outputs that only the file knows count too."""
        if 0 <= slot < len(self.layout.outputs):
            return self.layout.outputs[slot]
        saved = _listed(self.saved, "outputs")
        kind = saved[slot].get("type") if 0 <= slot < len(saved) else None
        return kind if isinstance(kind, str) else "*"


class Host:
    """What makes a node an instance of a subgraph.

    Attributes:
        graph: The definition, shared by all its instances.
        links: Link id by input slot, in the graph that the instance stands in.
        promoted: Value by input slot, for the inputs that lead to a widget (par. 10).

    """

    __slots__ = ("graph", "links", "promoted")

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.links: list[Any] = [None] * len(graph.inputs)
        self.promoted: dict[int, Any] = {}
        graph.hosts.append(self)

    @property
    def sockets(self) -> list[InputSocket]:
        """The instance's inputs: the definition's."""
        return [InputSocket(slot.name, slot.type) for slot in self.graph.inputs]

    def slot_named(self, name: str) -> int | None:
        """Return which input is called ``name``, if one is."""
        return next((index for index, slot in enumerate(self.graph.inputs) if slot.name == name), None)


class Slot:
    """An input or output of a subgraph definition, with the inner links that begin or end there."""

    __slots__ = ("link_ids", "name", "type")

    def __init__(self, name: str, kind: str, link_ids: list[Any]) -> None:
        self.name = name
        self.type = kind
        self.link_ids = link_ids


class Graph:
    """The root graph, or the definition of a subgraph.

    Attributes:
        saved: Its JSON.
        last_link_id: The file's counter of links, of the root graph and this one.

    """

    __slots__ = (
        "_carriers",
        "_leaving",
        "hosts",
        "id",
        "inputs",
        "is_group",
        "last_link_id",
        "links",
        "nodes",
        "outputs",
        "saved",
        "setters",
    )

    def __init__(self, graph_id: str = "") -> None:
        self.id = graph_id
        self.saved: Mapping[str, Any] = {}
        self.last_link_id = 0
        self.nodes: dict[str, GraphNode] = {}
        self.links: dict[Any, Link] = {}
        self.inputs: list[Slot] = []
        self.outputs: list[Slot] = []
        self.setters: dict[str, GraphNode] = {}
        self.hosts: list[Host] = []
        self.is_group = False
        self._carriers: dict[Any, tuple[GraphNode, str]] | None = None
        self._leaving: dict[str, list[Any]] | None = None

    def carrier(self, link_id: Any) -> tuple[GraphNode, str] | None:
        """Return the node and the input that carry ``link_id``.

        A link's own ``target_slot`` is stale in saved files (par. 2).
        """
        if self._carriers is None:
            carriers: dict[Any, tuple[GraphNode, str]] = {}
            for node in self.nodes.values():
                for name, carried in node.links.items():
                    carriers.setdefault(carried, (node, name))
            self._carriers = carriers
        return self._carriers.get(link_id)

    def add_input(self, name: str, kind: str) -> int:
        """Give the definition, and with it every instance, a further input; return its slot."""
        self.inputs.append(Slot(name, kind, []))
        for host in self.hosts:
            host.links.append(None)
        return len(self.inputs) - 1

    def link_input(self, slot: int, node: GraphNode, name: str) -> None:
        """Link input ``slot`` of the definition to an input of ``node``, in place of the link that it has."""
        link_id = f"new-{len(self.links)}"  # a text, so that it is none of the file's
        self.links[link_id] = Link(INPUT_NODE, slot, node.id, None, self.inputs[slot].type)
        self.inputs[slot].link_ids.append(link_id)
        self._relink(node, name, link_id)

    def connect(self, origin_id: str, slot: int, node: GraphNode, name: str) -> None:
        """Link an output to the input ``name`` of ``node``, in place of the link that it has."""
        link_id = f"new-{len(self.links)}"
        self.links[link_id] = Link(origin_id, slot, node.id, None, None)
        self._leaving = None
        self._relink(node, name, link_id)

    def connect_output(self, origin_id: str, slot: int, output: int) -> None:
        """Link an output of an inner node to output ``output`` of the definition."""
        link_id = f"new-{len(self.links)}"
        self.links[link_id] = Link(origin_id, slot, OUTPUT_NODE, output, None)
        self._leaving = None
        self.outputs[output].link_ids.append(link_id)

    def links_from(self, node_id: str) -> list[Any]:
        """Return the ids of the links that leave a node, in the file's order."""
        if self._leaving is None:
            self._leaving = {}
            for link_id, link in self.links.items():
                self._leaving.setdefault(link.origin_id, []).append(link_id)
        return self._leaving.get(node_id, [])

    def _relink(self, node: GraphNode, name: str, link_id: Any) -> None:
        replaced = node.links.get(name)
        node.links[name] = link_id
        if node.host is not None:
            slot = node.host.slot_named(name)
            if slot is not None:
                node.host.links[slot] = link_id
        if self._carriers is not None:
            self._carriers.pop(replaced, None)
            self._carriers[link_id] = (node, name)


def read_links(saved: Any) -> dict[Any, Link]:
    """Return the links of a graph by id, in either form: both occur in both schemas, and mixed."""
    links: dict[Any, Link] = {}
    for link in saved if isinstance(saved, list) else ():
        if type(link) is list and len(link) >= 5:
            kind = link[5] if len(link) > 5 else None
            made, link_id = Link(link[1], link[2], link[3], link[4], kind), link[0]
        elif isinstance(link, dict):
            made, link_id = (
                Link(
                    link.get("origin_id"),
                    link.get("origin_slot"),
                    link.get("target_id"),
                    link.get("target_slot"),
                    link.get("type"),
                ),
                link.get("id"),
            )
        else:
            continue
        if type(made.origin_slot) is int and isinstance(link_id, ID_TYPES):
            links[link_id] = made
    return links


def _chosen_sockets(layout: Layout, combos: Mapping[str, Layout]) -> Iterator[InputSocket]:
    """Yield what a choice brings; the layout has the first choice of nested combos, not the one made."""
    nested = [socket.name for socket in layout.sockets if socket.name in combos]
    for socket in layout.sockets:
        if not any(socket.name.startswith(f"{name}.") for name in nested):
            yield socket
            if socket.name in nested:
                yield from _chosen_sockets(combos[socket.name], combos)


def _listed(saved: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    listed = saved.get(key)
    return [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []
