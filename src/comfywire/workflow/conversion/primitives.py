"""PrimitiveNodes write their value into the widgets that they are linked to (editor-format.md, par. 6)."""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from comfywire.workflow.conversion.graph import Kind
from comfywire.workflow.conversion.layout import ABSENT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from comfywire.workflow.conversion.graph import Graph, GraphNode
    from comfywire.workflow.conversion.layout import WidgetSpec

__all__ = ["apply_primitives"]

_REPLACES = "Run widget replace on values"


class _Target(NamedTuple):
    node: GraphNode
    widget: int

    @property
    def spec(self) -> WidgetSpec:
        return self.node.specs[self.widget]


def apply_primitives(graph: Graph, replace_text: Callable[[str], str]) -> None:
    """Write the value of each PrimitiveNode of ``graph`` into its targets' widgets.

    Only direct links count: behind a Reroute the target keeps the value that it saved. The primitive's own
    mode does not matter.
    """
    for node in graph.nodes.values():
        if node.kind is not Kind.PRIMITIVE:
            continue
        targets = _targets(graph, node)
        if not targets:
            continue
        value = ABSENT if _copies_unknown(graph, node) else _value(node, targets)
        if value is ABSENT:
            continue
        properties = node.saved.get("properties")
        if isinstance(value, str) and isinstance(properties, dict) and properties.get(_REPLACES):
            value = replace_text(value)
        for target in targets:
            try:
                target.node.values[target.widget] = _rounded(target.spec, value)
            except (ArithmeticError, ValueError):  # infinity, or a number that no widget could hold
                target.node.values[target.widget] = value
            target.node.is_plain = False


def _targets(graph: Graph, node: GraphNode) -> list[_Target]:
    targets = []
    for link_id in _output_links(graph, node):
        carrier = graph.carrier(link_id) if link_id in graph.links else None
        index = carrier[0].widget_index(carrier[1]) if carrier is not None else None
        if carrier is not None and index is not None and carrier[0].kind is Kind.PLAIN:
            targets.append(_Target(carrier[0], index))
    return targets


def _copies_unknown(graph: Graph, node: GraphNode) -> bool:
    """A primitive is a copy of its first target's widget; of an unknown type's there is nothing to copy."""
    first = next((link for link in _output_links(graph, node) if link in graph.links), None)
    carrier = graph.carrier(first) if first is not None else None
    return carrier is not None and carrier[0].kind is Kind.UNKNOWN


def _output_links(graph: Graph, node: GraphNode) -> list[Any]:
    """The order of the output's own list says which target is the first."""
    outputs = node.saved.get("outputs")
    first = outputs[0] if isinstance(outputs, list) and outputs else None
    listed = first.get("links") if isinstance(first, dict) else None
    known = [link for link in listed if isinstance(link, int | str)] if isinstance(listed, list) else []
    return list(dict.fromkeys([*known, *graph.links_from(node.id)]))


def _value(node: GraphNode, targets: Sequence[_Target]) -> Any:
    saved = node.saved.get("widgets_values")
    value = saved[0] if isinstance(saved, list) and saved else targets[0].node.values[targets[0].widget]
    if not _is_number(value):
        return value
    try:
        return _merged(value, targets)
    except (ArithmeticError, ValueError):
        return value


def _merged(value: float, targets: Sequence[_Target]) -> float:
    """Clamp and round to what all targets allow: the primitive's own widget is made of their limits."""
    kinds = {target.spec.type for target in targets}
    if len(targets) < 2 or not kinds <= {"INT", "FLOAT"}:
        return value
    options = [target.spec.input.options for target in targets if target.spec.input is not None]
    low = max((said for said in map(_min, options) if said is not None), default=None)
    high = min((said for said in map(_max, options) if said is not None), default=None)
    if low is not None and value < low:
        value = low
    if high is not None and value > high:
        value = high
    steps = [_number(one, "step") or 1 for one in options]
    if kinds == {"INT"} and all(float(step).is_integer() for step in steps):
        return _to_step(value, math.lcm(*map(int, steps)), low)
    return value


def _rounded(spec: WidgetSpec, value: Any) -> Any:
    """Return what the target's change callback makes of ``value`` (useIntWidget.ts, useFloatWidget.ts)."""
    if not _is_number(value) or spec.input is None or not spec.has_limits:
        return value
    if spec.type == "INT":
        return _to_step(value, _number(spec.input.options, "step") or 1, _min(spec.input.options))
    return _rounded_float(value, spec.input.options) if spec.type == "FLOAT" else value


def _to_step(value: float, step: float, low: float | None) -> float:
    if step <= 1:
        return value if isinstance(value, int) else math.floor(value + 0.5)
    shift = (low or 0) % step
    return math.floor((value - shift) / step + 0.5) * step + shift


def _rounded_float(value: float, options: Mapping[str, Any]) -> float:
    step = _number(options, "step") or 0.5
    digits = max(0, -math.floor(math.log10(step))) if step > 0 else 0
    unit = _number(options, "round") or (10**-digits if digits else 0)
    if not unit:
        return value
    value = _to_fixed(math.floor(value / unit + 0.5) * unit, digits)
    low, high = _min(options), _max(options)
    if low is not None and value < low:
        return low
    return high if high is not None and value > high else value


def _to_fixed(value: float, digits: int) -> float:
    """JavaScript's ``toFixed``: ties go away from zero, where Python's ``round`` goes to the even digit."""
    return float(Decimal(value).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(options: Mapping[str, Any], key: str) -> float | None:
    said = options.get(key)
    return said if _is_number(said) else None


def _min(options: Mapping[str, Any]) -> float | None:
    return _number(options, "min")


def _max(options: Mapping[str, Any]) -> float | None:
    return _number(options, "max")
