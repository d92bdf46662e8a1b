"""A prompt's values as ComfyUI converts them before it queues a prompt (execution.py, validate_inputs)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from comfywire.workflow.validation.declared import declared_inputs

if TYPE_CHECKING:
    from comfywire.workflow.object_info import ObjectInfo

__all__ = ["converted"]

CONVERSIONS: Mapping[Any, Callable[[Any], Any]] = {"INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool}
LONGEST = 1 << 53
"""A float beyond this is no whole number that anybody meant."""


def converted(prompt: Mapping[str, Any], object_info: ObjectInfo) -> dict[str, Any]:
    """Return ``prompt`` with 64.9 as 64 and "false" as True, where an input takes such values.

    Queue and history show them so. What cannot be converted, and what no class is known of, stays.
    """
    return {node_id: _node(node, object_info) for node_id, node in prompt.items()}


def _node(node: Any, object_info: ObjectInfo) -> Any:
    inputs = node.get("inputs") if isinstance(node, Mapping) else None
    if not isinstance(inputs, dict):
        return node
    node_type = object_info.get(str(node.get("class_type")))
    if node_type is None:
        return node
    changed = {
        name: _value(inputs[name], declared.type)
        for name, declared in declared_inputs(node_type.raw, inputs).items()
        if name in inputs
    }
    return {**node, "inputs": {**inputs, **changed}}


def _value(value: Any, kind: Any) -> Any:
    if isinstance(value, list):
        return value  # a link, or the mistake of one
    bare = value["__value__"] if isinstance(value, dict) and "__value__" in value else value
    if isinstance(bare, list):
        return value  # without what is around it, it would be a link
    conversion = CONVERSIONS.get(kind) if isinstance(kind, str) else None
    is_huge = isinstance(bare, float) and abs(bare) > LONGEST
    if conversion is None or is_huge:
        return bare
    try:
        return conversion(bare)
    except (TypeError, ValueError, OverflowError):
        return value
