"""Two nodes of one graph with one id: which of them is sent (LGraph.ts, configure, add; 1.27 and 1.49)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["one_of_each"]

Saved = Mapping[str, Any]


def one_of_each(nodes: Sequence[Saved], fresh_id: Callable[[], int], *, modern: bool) -> list[Saved]:
    """Return the nodes with one of each id, in the file's order.

    1.49 keeps both, but sends one: the first, unless neither has a linked input, when the last overwrites it.
    1.27 pours the data of all into the first, and gives those that are left without data a new id.
    """
    by_id: dict[str, list[Saved]] = {}
    for node in nodes:
        by_id.setdefault(str(node["id"]), []).append(node)
    if len(by_id) == len(nodes):
        return list(nodes)
    kept: list[Saved] = []
    for same in by_id.values():
        if modern:
            kept.append(same[0] if any(map(_is_linked, same)) else same[-1])
        else:
            kept.append({**same[-1], "type": same[0]["type"]})
            kept += [{"id": fresh_id(), "type": one["type"]} for one in same[1:]]
    return kept


def _is_linked(node: Saved) -> bool:
    inputs = node.get("inputs")
    slots = inputs if isinstance(inputs, list) else []
    return any(isinstance(slot, Mapping) and slot.get("link") is not None for slot in slots)
