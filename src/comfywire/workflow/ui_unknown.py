"""Node types that the server does not have (conversion.md, par. 12).

The front end sends them without a class_type and with nameless values, and the server refuses the prompt. We
send what the file itself knows, so that the prompt runs wherever the node pack is installed, and say so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from comfywire.workflow.ui_widgets import WidgetSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from comfywire.workflow.ui_graph import Node

__all__ = ["node_pack", "pour_unknown"]

_CONTROLS = {"fixed", "increment", "decrement", "randomize"}


def node_pack(saved: Mapping[str, Any]) -> str | None:
    """Return the node pack that the file names for a node: its registry id, else its repository."""
    properties = saved.get("properties")
    if not isinstance(properties, Mapping):
        return None
    packs = [properties.get("cnr_id"), properties.get("aux_id")]
    return next((pack for pack in packs if isinstance(pack, str) and pack), None)


def pour_unknown(node: Node) -> str:
    """Name the node's values as far as the file allows, and return the sentence that tells about it."""
    named = _named_values(node)
    values = node.saved.get("widgets_values")
    missing = len(values) if named is None and isinstance(values, list | Mapping) else 0
    node.specs = [WidgetSpec(name, "UNKNOWN") for name in named or {}]
    node.values = list((named or {}).values())
    return _sentence(node, missing)


def _named_values(node: Node) -> Mapping[str, Any] | None:
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
        if not (index and value in _CONTROLS and _is_number(values[index - 1]))
    ]
    return dict(zip(names, rest, strict=True)) if len(names) == len(rest) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _without_controls(values: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: value for name, value in values.items() if name != "control_after_generate"}


def _sentence(node: Node, missing: int) -> str:
    pack = node_pack(node.saved)
    source = f"; the file says that it comes from {pack}" if pack else ""
    values = f", and {missing} of its values could not be named" if missing else ""
    return (
        f"node {node.id}: the server has no node type {node.type!r}{source}; "
        f"it was converted from the file alone{values}"
    )
