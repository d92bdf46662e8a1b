"""What a node's inputs take where that depends on the values of others: dynamic combos, and CustomCombo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .object_info import Input

if TYPE_CHECKING:
    from .object_info import NodeType

__all__ = ["follow", "input_of"]

_DYNAMIC_TYPES = frozenset({"COMFY_DYNAMICCOMBO_V3", "COMFY_AUTOGROW_V3", "COMFY_DYNAMICSLOT_V3"})
_CUSTOM_COMBO = "CustomCombo"
"""Its choices are texts that the editor keeps in inputs of their own, ``option1`` and so on, and ``index``
says which is chosen: the server passes on both (comfy_extras/nodes_logic.py, CustomCombo, 0.33.0)."""


def input_of(definition: NodeType, inputs: Mapping[str, Any], name: str) -> Input | None:
    """Return what ``definition`` says about the input ``name`` of a node that has ``inputs``, or None.

    Dynamic inputs (nodes of 0.4.0 and later) bring children with dotted names, ``parent.child``, which depend
    on the choice made: those of another choice are known, with any type.
    """
    known = definition.inputs.get(name)
    if known is not None:
        is_custom = definition.class_type == _CUSTOM_COMBO and name == "choice"
        return replace(known, choices=tuple(_options(inputs)) or None) if is_custom else known
    first, _, rest = name.partition(".")
    parent = definition.inputs.get(first)
    if parent is None or parent.type not in _DYNAMIC_TYPES:
        return None
    child = _child(parent, first, rest, inputs)
    return replace(child or Input(name, "*"), name=name, required=False)


def _child(parent: Input, path: str, rest: str, inputs: Mapping[str, Any]) -> Input | None:
    """Return the input ``rest`` that the choice made at ``path`` brings, however deep it stands."""
    head, _, deeper = rest.partition(".")
    chosen = inputs.get(path)
    brought = parent.variants.get(chosen, ()) if isinstance(chosen, str) else ()
    found = next((each for each in brought if each.name == head), None)
    return found if found is None or not deeper else _child(found, f"{path}.{head}", deeper, inputs)


def follow(class_type: str, inputs: dict[str, Any], name: str) -> None:
    """Change the inputs that go with ``name``, which was just set: a CustomCombo's ``index``."""
    if class_type == _CUSTOM_COMBO and name == "choice" and "index" in inputs:
        options = _options(inputs)
        inputs["index"] = options.index(inputs[name]) if inputs[name] in options else -1


def _options(inputs: Mapping[str, Any]) -> list[str]:
    """Return the texts of a CustomCombo, without the empty one that the editor keeps to type in."""
    listed: list[str] = []
    while isinstance(option := inputs.get(f"option{len(listed) + 1}"), str):
        listed.append(option)
    return listed[:-1] if listed and not listed[-1] else listed
