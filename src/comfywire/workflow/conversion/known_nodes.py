"""Nodes whose types are known: their widgets, values and links (editor-format.md, par. 3 and 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from comfywire.workflow.conversion.graph import ID_TYPES, GraphNode, Kind
from comfywire.workflow.conversion.layout import ABSENT, WidgetSpec, chosen_layout
from comfywire.workflow.conversion.packs.saved import SavedNode
from comfywire.workflow.conversion.values import pour, pour_by_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from comfywire.workflow.conversion.known import KnownType
    from comfywire.workflow.conversion.layout import Layout
    from comfywire.workflow.conversion.packs.pack import NodeRule

__all__ = ["NodeMaker"]

_SAMPLERS = {"KSampler", "KSamplerAdvanced"}
Choose: TypeAlias = "Callable[[Sequence[Any]], Any]"


class NodeMaker:
    """Makes the nodes of one workflow whose types are known.

    Args:
        choose: Picks one of several values, where a node pack's browser half would draw one.
        modern: Whether 1.49's rules hold.

    """

    def __init__(self, choose: Choose, *, modern: bool) -> None:
        self._choose = choose
        self._modern = modern

    def make(self, known: KnownType, saved: Mapping[str, Any], node_id: str, *, is_root: bool) -> GraphNode:
        """Return a node filled with what the file saved."""
        values, layout = saved.get("widgets_values"), known.layout
        if known.may_have_more and isinstance(values, list) and len(values) > len(layout.takers):
            layout = known.layout_for(saved, values)
        node = GraphNode(saved, node_id, Kind.PLAIN, layout)
        node.type = known.class_type
        node.specs, node.values = pour(
            layout, values, known.forced, by_name=known.by_name, modern=self._modern
        )
        if known.rule is not None:
            self._apply(known.rule, node, known)
        if known.class_type in _SAMPLERS and (self._modern or is_root):
            _strip_sampler(node)
        _take_links(node, layout)
        if layout is not known.layout or known.rule is not None:
            node.is_suspect = True
        else:
            node.is_suspect, node.is_plain = known.look_at(values, node.values)
        if known.by_name and node.links:
            _say_repeated(node)
        return node

    def _apply(self, rule: NodeRule, node: GraphNode, known: KnownType) -> None:
        """Let a pack's rule have its say; what it names beyond the node's widgets is sent as well."""
        layout = node.layout

        def poured(values: Any) -> dict[str, Any]:
            specs, made = pour(layout, values, known.forced, by_name=known.by_name, modern=self._modern)
            return {spec.name: value for spec, value in zip(specs, made, strict=True) if value is not ABSENT}

        said = SavedNode(node.saved, node.id, known.node_type, pour=poured, choose=self._choose, say=node.say)
        changes = rule(said)
        if not changes:
            return
        kept = {spec.name: value for spec, value in zip(node.specs, node.values, strict=True)}
        specs, values = pour_by_name(layout, {**kept, **changes})
        names = {spec.name for spec in specs}
        more = [name for name in changes if name not in names]
        node.specs = [*specs, *(WidgetSpec(name, "ADDED") for name in more)]
        node.values = [*values, *(changes[name] for name in more)]


def _take_links(node: GraphNode, layout: Layout) -> None:
    names, is_static, links = layout.socket_names, layout.is_static, node.links
    inputs = node.saved.get("inputs")
    for slot in inputs if isinstance(inputs, list) else ():
        if type(slot) is not dict or (link := slot.get("link")) is None or not isinstance(link, ID_TYPES):
            continue
        name = slot.get("name")
        if not isinstance(name, str):
            continue
        if (is_static and name in names) or _is_kept(node, slot):
            links[name] = link
        else:
            node.say(f"its input {name!r} is linked in the file and no longer exists; the link is dropped")


def _is_kept(node: GraphNode, slot: Mapping[str, Any]) -> bool:
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
    if not isinstance(widget, dict):
        return True
    return node.widget_index(widget.get("name") or "") is not None


def _say_repeated(node: GraphNode) -> None:
    names = [slot["name"] for slot in node.inputs]
    for name in {name for name in names if names.count(name) > 1 and name in node.links}:
        node.say(f"the file has two inputs {name!r}; the link of one was taken, so check it in the editor")


def _grows(name: str, layout: Layout) -> bool:
    return any(name.startswith(f"{group}.") for group in layout.autogrow)


def _strip_sampler(node: GraphNode) -> None:
    """Old files call samplers ``sample_euler`` (app.ts, loadGraphData)."""
    index = node.widget_index("sampler_name")
    if index is not None and isinstance(node.values[index], str):
        node.values[index] = node.values[index].removeprefix("sample_")
