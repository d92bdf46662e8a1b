"""What is said of a node whose saved values do not fit what is known of it, so that nothing is wrong unsaid.

The editor does not look: it assigns values by position, and drops what is left over. That is repeated here;
but a node pack's JavaScript may have its own way, and a file may be older or newer than the node.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from comfywire.workflow.conversion.layout import ABSENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from comfywire.workflow.conversion.graph import GraphNode
    from comfywire.workflow.conversion.known import KnownType
    from comfywire.workflow.conversion.layout import WidgetSpec

__all__ = ["doubts_about", "fits"]

_MOST_NAMES = 4


def doubts_about(node: GraphNode, known: KnownType, advice: str) -> Iterator[str]:
    """Yield what is to be said of a node, if anything; its id and type are put before each sentence.

    Args:
        node: The node, filled.
        known: Its type.
        advice: What somebody should do.

    """
    values = node.saved.get("widgets_values")
    misfits = [
        spec.name
        for spec, value in zip(node.specs, node.values, strict=True)
        if (fitting := spec.fitting) is not None
        and type(value) not in fitting
        and spec.is_sent
        and spec.name not in node.links
        and not fits(spec, value)
    ]
    if misfits:
        yield f"{_named(misfits)} got a value of another kind than the input takes; {advice}"
    if known.node_type.is_names_only:
        missing = [
            spec.name
            for spec, value in zip(node.specs, node.values, strict=True)
            if value is ABSENT and spec.is_sent and spec.name not in node.links
        ]
        if missing:
            yield f"{_named(missing)} has no value in the file, and its default is not known here; {advice}"
    if node.layout is not known.layout:
        taken = node.layout.names - known.layout.names
        yield f"{_named(sorted(taken))} of unknown type were taken for widgets, by their number; {advice}"
    if known.rule is not None or not isinstance(values, list):
        return
    takers = [spec.name for spec in node.specs if spec.takes_saved]
    more = values[len(takers) :]
    counted = f"the file has {len(values)} values for its {len(takers)} widgets"
    if any(value not in (None, "") for value in more):
        if not known.is_display:
            yield f"{counted}, so the rest is left out, and any before may belong to other inputs; {advice}"
    elif 0 < len(values) < len(takers) and _is_uncertain(node, known, takers[: len(values)]):
        missing = takers[len(values) :]
        yield (
            f"{counted}, so {_named(missing)} got the default, and any before may belong to other inputs; "
            f"{advice}"
        )


def fits(spec: WidgetSpec, value: Any) -> bool:
    """Whether a value is of a kind that the widget can have, or a number that was spelt as a text."""
    if spec.fitting is None or type(value) in spec.fitting:
        return True
    return spec.type in {"INT", "FLOAT"} and isinstance(value, str) and _is_number(value)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_uncertain(node: GraphNode, known: KnownType, first: Sequence[str]) -> bool:
    """Whether missing values may be others than the last: a node pack's nodes change, and may draw their own.

    Where the file names its widgets, it says itself.
    """
    if not known.by_name:
        return False
    named = [slot["widget"].get("name") for slot in node.inputs if isinstance(slot.get("widget"), Mapping)]
    return [name for name in named if name in first] != [name for name in first if name in named] or not named


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:_MOST_NAMES]))
    return shown + (f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else "")
