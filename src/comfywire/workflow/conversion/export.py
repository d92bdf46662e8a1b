"""The export: from a loaded workflow to the prompt (editor-format.md, par. 7)."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from comfywire.errors import UnreadableWorkflow
from comfywire.workflow.conversion.doubts import doubts_about
from comfywire.workflow.conversion.graph import BYPASSED, INPUT_NODE, MUTED, GraphNode, Kind
from comfywire.workflow.conversion.layout import ABSENT, WidgetSpec
from comfywire.workflow.conversion.links import Frame, Promoted, Resolver
from comfywire.workflow.conversion.primitives import apply_primitives
from comfywire.workflow.conversion.special import VIEWER_TYPES, scene
from comfywire.workflow.conversion.subgraphs import Shared, label_of, widget_behind
from comfywire.workflow.conversion.text import is_index, js_string, replace_percents, resolve_dynamic_prompt
from comfywire.workflow.subgraph import Subgraph, SubgraphWidget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from comfywire.workflow.conversion.load_graphs import LoadedGraphs

__all__ = ["Export"]

_PLAIN = Kind.PLAIN
_OFF = (MUTED, BYPASSED)
_MAX_NESTING = 50
_MOST_NODES = 100_000
"""Hundreds of times the largest workflows that people make."""


class Export:
    """One export of a loaded workflow.

    Args:
        loaded: The workflow; primitives write into it, so it is good for one export.
        now: What ``%date:...%`` writes; None is the local time.
        choose: Picks from the options of a dynamic prompt.

    """

    def __init__(
        self, loaded: LoadedGraphs, now: datetime | None, choose: Callable[[Sequence[Any]], Any]
    ) -> None:
        self._loaded = loaded
        self._modern = loaded.profile.is_modern
        self._now = now
        self._choose = choose
        self._warnings = loaded.warnings
        self._resolver = Resolver(self._warnings, modern=self._modern)
        self._named: dict[str, GraphNode] | None = None
        self._visited = 0
        # The inputs whose links end at other nodes than they seem to, which may not be sent.
        self._distant: list[tuple[dict[str, Any], str]] = []
        self._shown: dict[str, tuple[GraphNode, dict[str, list[tuple[str, str]]]]] = {}

    def prompt(self) -> dict[str, dict[str, Any]]:
        """Return the workflow in API format; what could not be sent as it stands is in the warnings."""
        for graph in self._loaded.graphs:
            apply_primitives(graph, self._replace_text)
        sent: dict[str, dict[str, Any]] = {}
        for frame, node in self._nodes(Frame(self._loaded.root)):
            sent[frame.prefix + node.id] = self._entry(frame, node)
        self._drop_dead_links(sent)
        return _in_order(sent)

    def _nodes(self, frame: Frame) -> Iterator[tuple[Frame, GraphNode]]:
        """Yield the nodes that are sent, each with the frame it stands in."""
        self._count(frame)
        for node in frame.graph.nodes.values():
            kind = node.kind
            if kind is _PLAIN or kind is Kind.UNKNOWN:  # a set would hash them, which is slow for an Enum
                if node.mode not in _OFF:
                    yield frame, node
            elif kind is Kind.INSTANCE and self._is_entered(frame, node):
                self._shown[frame.prefix + node.id] = (node, {})
                yield from self._nodes(frame.child(node))

    def _count(self, frame: Frame) -> None:
        """Ten subgraphs of ten subgraphs of ten ... fit into a small file."""
        self._visited += len(frame.graph.nodes)
        if self._visited > _MOST_NODES:
            raise UnreadableWorkflow(f"this workflow unpacks to more than {_MOST_NODES:,} nodes")

    def _is_entered(self, frame: Frame, node: GraphNode) -> bool:
        if node.is_off and self._modern and frame.parent is None:
            return False  # par. 7, step 2: only root instances; the inner nodes of nested ones are sent
        assert node.host is not None
        outer: Frame | None = frame
        while outer is not None:
            if outer.graph is node.host.graph:
                self._warnings.append(f"node {frame.prefix}{node.id}: its subgraph contains itself; left out")
                return False
            outer = outer.parent
        return True

    def _entry(self, frame: Frame, node: GraphNode) -> dict[str, Any]:
        values = node.values
        if node.is_plain:
            inputs = {name: values[index] for index, name in node.layout.sent}
        else:
            inputs = self._widget_inputs(frame, node)
        links, nodes = frame.graph.links, frame.graph.nodes
        for name, link_id in node.links.items():
            link = links.get(link_id)
            if link is not None and link.origin_id != INPUT_NODE:
                origin = nodes.get(link.origin_id)
                if origin is not None and origin.kind is _PLAIN and origin.mode not in _OFF:
                    # As most do, it begins at a node that is sent itself.
                    inputs[name] = [frame.prefix + origin.id, link.origin_slot]
                    continue
            self._follow(frame, node, name, inputs)
        if node.said or node.is_suspect:
            self._say(frame, node)
        entry = {"inputs": inputs, "class_type": node.type, "_meta": {"title": node.title}}
        if not node.type:
            del entry["class_type"]
        return entry

    def _follow(self, frame: Frame, node: GraphNode, name: str, inputs: dict[str, Any]) -> None:
        """Put into ``inputs`` what the link of an input really leads to, if to anything."""
        found = self._resolver.resolve(frame, node, name)
        if isinstance(found, Promoted):
            self._show(found, (frame.prefix + node.id, name))
            value = found.value
            inputs[name] = _boxed(value.value if isinstance(value, Shared) else value)
        elif found is not None:
            inputs[name] = [*found]
            self._distant.append((inputs, name))

    def _show(self, found: Promoted, place: tuple[str, str]) -> None:
        """Note which widgets of instances set an input."""
        for inner, slot in found.slots:
            known = self._shown.get(inner.prefix[:-1])
            if known is not None:
                for name in _names_of(inner, slot):
                    known[1].setdefault(name, []).append(place)

    @property
    def subgraphs(self) -> list[Subgraph]:
        """The instances whose nodes were sent, known once :meth:`prompt` was called."""
        extra = self._loaded.root.saved.get("extra")
        has_choices = isinstance(extra, dict) and "linearData" in extra
        return [
            Subgraph(
                node_id,
                node.title,
                {name: tuple(places) for name, places in inputs.items()},
                _widgets_of(node, inputs) if has_choices and ":" not in node_id else {},
            )
            for node_id, (node, inputs) in self._shown.items()
        ]

    def _widget_inputs(self, frame: Frame, node: GraphNode) -> dict[str, Any]:
        inputs: dict[str, Any] = {}
        for spec, value in zip(node.specs, node.values, strict=True):
            if spec.is_plain and type(value) in _SCALARS:
                inputs[spec.name] = value
            elif spec.is_sent and value is not ABSENT:
                inputs[spec.name] = self._sent_value(frame, node, spec, value)
        return inputs

    def _say(self, frame: Frame, node: GraphNode) -> None:
        known_types = self._loaded.known_types
        known = known_types.get(node.type) if node.is_suspect else None
        doubts = [] if known is None else doubts_about(node, known, known_types.advice)
        self._warnings += [
            f"node {frame.prefix}{node.id} ({node.type}): {what}" for what in (*(node.said or ()), *doubts)
        ]

    def _sent_value(self, frame: Frame, node: GraphNode, spec: WidgetSpec, value: Any) -> Any:
        if spec.has_dynamic_prompts and isinstance(value, str):
            return resolve_dynamic_prompt(value, self._choose)
        if spec.replaces_text and isinstance(value, str):
            return self._replace_text(value)
        if spec.type in VIEWER_TYPES:
            return self._scene(frame, node, value)
        if spec.type == "AUDIO_RECORD":
            self._warnings.append(
                f"node {frame.prefix}{node.id} ({node.type}): nothing is recorded outside the browser"
            )
            return ""
        if spec.input is not None and spec.input.is_remote:
            self._warnings.append(
                f"node {frame.prefix}{node.id} ({node.type}): {spec.name} is {value!r}, as it was saved; "
                "the editor would ask the server for its newest choices"
            )
        if spec.type == "INDEX":
            return _choice_index(node)
        if spec.type == "CURVE" and self._modern and isinstance(value, list):
            return {"__type__": "CURVE", "__value__": copy.deepcopy(value)}
        return _boxed(value)

    def _scene(self, frame: Frame, node: GraphNode, value: Any) -> Any:
        """A viewer lives only on the root graph; elsewhere the saved value is sent (par. 5)."""
        if frame.parent is not None:
            return _boxed(value)
        if node.type.startswith("Load3D"):
            self._warnings.append(
                f"node {node.id} ({node.type}): its pictures are rendered by the browser and are missing; "
                "nodes that use them will fail"
            )
        return scene(node.type, node.saved.get("properties"), modern=self._modern)

    def _replace_text(self, text: str) -> str:
        if "%" not in text:
            return text
        now = self._now or datetime.now()  # noqa: DTZ005  # the editor writes local time
        return replace_percents(text, now, self._widget_text)

    def _widget_text(self, name: str, widget: str) -> str | None:
        if self._named is None:
            self._named = self._names()
        node = self._named.get(name)
        value = ABSENT if node is None else _shown_value(node, widget)
        return None if value is ABSENT else "" if value is None else js_string(value)

    def _names(self) -> dict[str, GraphNode]:
        """Return the first node of each name; the property counts before the title."""
        by_property: dict[str, GraphNode] = {}
        by_title: dict[str, GraphNode] = {}
        for node in self._all_nodes(Frame(self._loaded.root)):
            name = self._search_name(node)
            if name is not None:
                by_property.setdefault(name, node)
            by_title.setdefault(node.title, node)
        return {**by_title, **by_property}

    def _search_name(self, node: GraphNode) -> str | None:
        """Return the property by which texts name a node; nodes that search for names get none by default."""
        properties = node.saved.get("properties")
        name = properties.get("Node name for S&R") if isinstance(properties, Mapping) else None
        if isinstance(name, str):
            return name
        has_default = node.kind is Kind.PLAIN and node.type not in self._loaded.profile.save_nodes
        return node.type if has_default else None

    def _all_nodes(self, frame: Frame) -> Iterator[GraphNode]:
        """Yield every node once per instance, the contents of a subgraph before it."""
        if frame.depth < _MAX_NESTING:
            self._count(frame)
            for node in frame.graph.nodes.values():
                if node.host is not None:
                    yield from self._all_nodes(frame.child(node))
                yield node

    def _drop_dead_links(self, sent: dict[str, dict[str, Any]]) -> None:
        """Delete the inputs whose link ends at a node that is not sent (par. 7, step 7)."""
        for inputs, name in self._distant:
            if inputs[name][0] not in sent:
                del inputs[name]


def _widgets_of(node: GraphNode, places: Mapping[str, list[tuple[str, str]]]) -> dict[str, SubgraphWidget]:
    """Return the widgets that an instance shows and nothing is linked to, by the names of its inputs."""
    assert node.host is not None
    graph, found = node.host.graph, dict[str, SubgraphWidget]()
    for index, slot in enumerate(graph.inputs):
        behind = widget_behind(graph, slot) if slot.name in places else None
        if behind is not None and slot.name not in found:
            inner, name = behind
            label = label_of(node, index, inner, name)
            found[slot.name] = SubgraphWidget(label, (inner.id, name), tuple(places[slot.name]))
    return found


def _names_of(frame: Frame, slot: int) -> Iterator[str]:
    """What an instance's input is called: its name, and the label that the editor shows in place of it."""
    yield frame.graph.inputs[slot].name
    saved = frame.graph.saved.get("inputs")
    entry = saved[slot] if isinstance(saved, list) and slot < len(saved) else None
    label = entry.get("label") if isinstance(entry, dict) else None
    if isinstance(label, str) and all(label != other.name for other in frame.graph.inputs):
        yield label


_SCALARS = {str, int, float, bool}


def _boxed(value: Any) -> Any:
    """Arrays are wrapped, so that the server does not take them for links."""
    if isinstance(value, list):
        return {"__value__": copy.deepcopy(value)}
    return copy.deepcopy(value) if isinstance(value, dict) else value


def _choice_index(node: GraphNode) -> int:
    """CustomCombo's hidden widget: where its choice stands among its options."""
    choice = node.value("choice")
    options = [value for spec, value in zip(node.specs, node.values, strict=True) if spec.type == "OPTION"]
    return options.index(choice) if choice in options else -1


def _shown_value(node: GraphNode, widget: str) -> Any:
    """Return what a widget shows, of an instance or a PrimitiveNode too."""
    if node.host is not None:
        slot = node.host.slot_named(widget)
        value = node.host.promoted.get(slot, ABSENT) if slot is not None else ABSENT
        return value.value if isinstance(value, Shared) else value
    if node.kind is Kind.PRIMITIVE and widget == "value":
        saved = node.saved.get("widgets_values")
        return saved[0] if isinstance(saved, list) and saved else ABSENT
    return node.value(widget)


def _in_order(sent: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """JavaScript lists keys that are array indices first, in order; the others as they come."""
    numbers = [node_id for node_id in sent if is_index(node_id)]
    ordered = {node_id: sent[node_id] for node_id in sorted(numbers, key=int)}
    return ordered if len(ordered) == len(sent) else ordered | sent
