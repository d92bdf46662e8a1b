"""Node types that the server does not have (editor-format.md, par. 12).

Where the file says whose its values are, such a node is converted from the file alone, so that the prompt
runs wherever the node pack is installed. Elsewhere it is sent as the front end sends it, without a class_type
and with nameless values, which every server refuses by the node's id. Either way a warning names it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from comfywire.workflow.conversion.layout import WidgetSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from comfywire.workflow.conversion.graph import GraphNode

__all__ = ["UnknownType", "node_pack", "pour_unknown"]

_CONTROLS = {"fixed", "increment", "decrement", "randomize"}


@dataclass(frozen=True)
class UnknownType:
    """A node whose type the server does not have.

    Attributes:
        node_id: Its id in the graph that it stands in.
        class_type: The type that the file names.
        node_pack: Where it comes from, if the file says so: a registry id or a repository.
        is_complete: Whether the file's own data sufficed to convert it.
        was_asked: Whether a server said so, or only the catalogue that ships with Comfywire.

    """

    node_id: str
    class_type: str
    node_pack: str | None
    is_complete: bool
    was_asked: bool = True

    def __str__(self) -> str:
        source = f" (the file says that it comes from {self.node_pack})" if self.node_pack else ""
        lacks = (
            f"the server has no node type {self.class_type!r}{source}"
            if self.was_asked
            else f"node type {self.class_type!r}{source} is not among those that ship with Comfywire"
        )
        return f"node {self.node_id}: {lacks}; {self._done()}"

    def _done(self) -> str:
        if self.is_complete:
            return "it was converted from the file alone"
        words = "the file does not say which inputs its values belong to, so the server will refuse it"
        return words if self.was_asked else f"{words}; give a server or its --object-info"


def node_pack(saved: Mapping[str, Any]) -> str | None:
    """Return the node pack that the file names for a node: its registry id, else its repository."""
    properties = saved.get("properties")
    if not isinstance(properties, Mapping):
        return None
    packs = [properties.get("cnr_id"), properties.get("aux_id")]
    return next((pack for pack in packs if isinstance(pack, str) and pack), None)


def pour_unknown(node: GraphNode, *, modern: bool, was_asked: bool = True) -> UnknownType:
    """Give the node the widgets that the file tells of."""
    named, class_type = _named_values(node), node.type
    if named is None:
        _pour_nameless(node, modern=modern)
    else:
        node.specs = [WidgetSpec(name, "UNKNOWN") for name in named]
        node.values = list(named.values())
    return UnknownType(
        node.id, class_type, node_pack(node.saved), is_complete=named is not None, was_asked=was_asked
    )


def _named_values(node: GraphNode) -> Mapping[str, Any] | None:
    """Return values by name, or None where the file has values and does not say whose they are."""
    by_name = node.saved.get("widgets_values_named")  # saved beside the list since front end 1.46
    if isinstance(by_name, Mapping):
        return _without_controls(by_name)
    values = node.saved.get("widgets_values")
    if isinstance(values, Mapping):
        return _without_controls(values)
    if not isinstance(values, list) or not values:
        return {}
    widgets = [slot["widget"].get("name") for slot in node.inputs if isinstance(slot.get("widget"), Mapping)]
    return _matched([name for name in widgets if isinstance(name, str)], values)


def _matched(names: Sequence[str], values: Sequence[Any]) -> Mapping[str, Any] | None:
    """Pair names with values; a seed's control value stands right after it and has no name."""
    if len(names) == len(values):
        return dict(zip(names, values, strict=True))
    rest = [
        value
        for index, value in enumerate(values)
        if not (index and isinstance(value, str) and value in _CONTROLS and _is_number(values[index - 1]))
    ]
    return dict(zip(names, rest, strict=True)) if len(names) == len(rest) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _without_controls(values: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: value for name, value in values.items() if name != "control_after_generate"}


def _pour_nameless(node: GraphNode, *, modern: bool) -> None:
    values = node.saved.get("widgets_values")
    assert isinstance(values, list)
    names = [f"UNKNOWN_{index}" if modern and index else "UNKNOWN" for index in range(len(values))]
    node.type = ""
    node.specs = [WidgetSpec(name, "UNKNOWN") for name in names]
    node.values = [json.dumps(value) if isinstance(value, list | dict) else value for value in values]
