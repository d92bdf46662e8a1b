"""The inputs that a server expects of one node, given what the node has: dynamic inputs are worked out.

The validator's own view (execution.py, validate_inputs; comfy_api/latest/_io.py, get_finalized_class_inputs,
0.33.0), read from /object_info: where :mod:`object_info` follows the editor, this follows the server, which
lets the required entry win when a name stands in both sections, and tells a legacy combo from a ``COMBO``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Declared", "declared_inputs"]

_DYNAMIC_COMBO = "COMFY_DYNAMICCOMBO_V3"
_AUTOGROW = "COMFY_AUTOGROW_V3"
_DYNAMIC_SLOT = "COMFY_DYNAMICSLOT_V3"
_MOST_GROWN = 100  # the server's own limit (Autogrow._MaxNames)
_DEEPEST = 8


@dataclass(frozen=True, slots=True)
class Declared:
    """One expected input.

    Attributes:
        name: Its key in ``inputs``; children of dynamic inputs are ``parent.child``.
        type: The type, or the list of choices itself for a legacy combo.
        options: ``min``, ``max``, ``options``, ...
        is_required: Whether it may not be left out.

    """

    name: str
    type: Any
    options: Mapping[str, Any] = field(default_factory=dict)
    is_required: bool = True

    @property
    def is_legacy_combo(self) -> bool:
        """Whether the type is the list of choices."""
        return isinstance(self.type, list)

    @property
    def is_combo(self) -> bool:
        """Whether it takes one of several choices, in either spelling."""
        return self.is_legacy_combo or self.type == "COMBO"

    @property
    def choices(self) -> Any:
        """The choices of a combo: a list, unless the server's node is odd."""
        return self.type if self.is_legacy_combo else self.options.get("options", [])


def declared_inputs(raw: Mapping[str, Any], inputs: Mapping[str, Any]) -> dict[str, Declared]:
    """Return what a class, by its entry of /object_info, expects of a node with these ``inputs``."""
    found: dict[str, Declared] = {}
    for expected in _section_inputs(raw.get("input"), inputs, prefix="", depth=0):
        if expected.name not in found or (expected.is_required and not found[expected.name].is_required):
            found[expected.name] = expected
    return dict(sorted(found.items(), key=lambda pair: not pair[1].is_required))


def _section_inputs(
    sections: Any, inputs: Mapping[str, Any], *, prefix: str, depth: int
) -> Iterator[Declared]:
    for section in ("required", "optional"):
        specs = sections.get(section) if isinstance(sections, Mapping) else None
        for name, spec in specs.items() if isinstance(specs, Mapping) else ():
            declared = _parse(prefix + name, spec, is_required=section == "required")
            yield from _expand(declared, inputs, depth) if depth < _DEEPEST else ()


def _parse(name: str, spec: Any, *, is_required: bool) -> Declared:
    if not isinstance(spec, list | tuple) or not spec:
        return Declared(name, "*", {}, is_required)
    options = spec[1] if len(spec) > 1 and isinstance(spec[1], Mapping) else {}
    return Declared(name, spec[0], options, is_required)


def _expand(declared: Declared, inputs: Mapping[str, Any], depth: int) -> Iterator[Declared]:
    prefix = f"{declared.name}."
    match declared.type:
        case "COMFY_AUTOGROW_V3":
            yield from _grow(declared)
        case "COMFY_DYNAMICCOMBO_V3":
            # A key that is not offered makes the input unknown, and so are its children: nothing is checked.
            option = _chosen(declared, inputs)
            if option is not None:
                yield declared
                yield from _section_inputs(option.get("inputs"), inputs, prefix=prefix, depth=depth + 1)
        case "COMFY_DYNAMICSLOT_V3":
            if declared.name in inputs:
                yield declared
                children = declared.options.get("inputs")
                yield from _section_inputs(children, inputs, prefix=prefix, depth=depth + 1)
        case _:
            yield declared


def _chosen(declared: Declared, inputs: Mapping[str, Any]) -> Mapping[str, Any] | None:
    options = declared.options.get("options")
    return next(
        (
            option
            for option in (options if isinstance(options, list) else ())
            if declared.name in inputs
            and isinstance(option, Mapping)
            and option.get("key") == inputs[declared.name]
        ),
        None,
    )


def _grow(declared: Declared) -> Iterator[Declared]:
    template = declared.options.get("template")
    if not isinstance(template, Mapping):
        return
    section, spec = _template_input(template.get("input"))
    names = template.get("names")
    if not isinstance(names, list):
        count = template.get("max")
        names = [
            f"{template.get('prefix', '')}{at}"
            for at in range(min(count, _MOST_GROWN) if isinstance(count, int) else 0)
        ]
    least = template.get("min")
    for at, name in enumerate(names):
        is_required = section == "required" and isinstance(least, int) and at < least
        yield _parse(f"{declared.name}.{name}", spec, is_required=is_required)


def _template_input(sections: Any) -> tuple[str, Any]:
    for section, specs in sections.items() if isinstance(sections, Mapping) else ():
        if isinstance(specs, Mapping) and specs:
            return section, next(iter(specs.values()))
    return "optional", ["*"]
