"""Inputs that depend on what was given: a list that grows, a choice that asks for more.

A prompt gives them as ``values.a`` or ``format.codec``; newer servers look up what such a name means
(comfy_api/latest/_io.py, get_finalized_class_inputs, 0.33.0).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from comfywire.server.graph import ClassInputs, NodeClass

__all__ = ["class_inputs"]

GROWING = "COMFY_AUTOGROW_V3"
CHOICE = "COMFY_DYNAMICCOMBO_V3"


def class_inputs(node_class: NodeClass, given: Mapping[str, Any]) -> ClassInputs:
    """Return a class's inputs, dynamic ones as what they are for the inputs that were ``given``."""
    inputs: ClassInputs = node_class.INPUT_TYPES()
    if not any(_is_dynamic(spec) for specs in inputs.values() for spec in specs.values()):
        return inputs
    found: ClassInputs = {"required": {}, "optional": {}}
    _expand(found, {key: specs for key, specs in inputs.items() if key != "hidden"}, given, "")
    return {**found, "hidden": inputs.get("hidden", {})}


def _is_dynamic(spec: Any) -> bool:
    return spec[0] in (GROWING, CHOICE)


def _expand(found: ClassInputs, inputs: ClassInputs, given: Mapping[str, Any], prefix: str) -> None:
    for section, specs in inputs.items():
        for name, spec in specs.items():
            full = f"{prefix}{name}"
            if spec[0] == GROWING:
                _grow(found, spec[1]["template"], full)
            elif spec[0] == CHOICE:
                _choose(found, section, full, spec, given)
            else:
                found[section][full] = spec


def _grow(found: ClassInputs, template: dict[str, Any], prefix: str) -> None:
    """Add every input that there may be; the first ones are required."""
    names = template.get("names") or [f"{template['prefix']}{index}" for index in range(template["max"])]
    section, spec = next((key, spec) for key, specs in template["input"].items() for spec in specs.values())
    for index, name in enumerate(names):
        is_required = section == "required" and index < template["min"]
        found["required" if is_required else "optional"][f"{prefix}.{name}"] = spec


def _choose(found: ClassInputs, section: str, name: str, spec: Any, given: Mapping[str, Any]) -> None:
    """Add the choice and what it asks for; one that is missing or unknown is not there at all."""
    for option in spec[1]["options"]:
        if name in given and option["key"] == given[name]:
            _expand(found, option["inputs"], given, f"{name}.")
            found[section][name] = spec
