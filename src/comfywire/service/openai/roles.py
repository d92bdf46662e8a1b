"""What the parameters of a workflow are to a program that knows none of their names. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from comfywire.workflow import Parameter

__all__ = ["by_role", "images_of"]

# Names by which drafts and authors call such a parameter, and the types that it then has.
_TEXT, _NUMBER = {"text"}, {"int", "float"}
_ROLES: Mapping[str, tuple[tuple[str, ...], set[str]]] = {
    "prompt": (("prompt", "positive", "positive_prompt", "text"), _TEXT),
    "negative_prompt": (("negative_prompt", "negative"), _TEXT),
    "width": (("width",), _NUMBER),
    "height": (("height",), _NUMBER),
    "count": (("count", "batch_size"), _NUMBER),
    "duration": (("duration", "seconds"), _NUMBER),
    "seed": (("seed", "noise_seed"), {"seed"}),
    "mask": (("mask",), {"mask", "image"}),
}


def by_role(parameters: Iterable[Parameter]) -> dict[str, Parameter]:
    """Return the parameter of each role that there is: as its author says, or else by its name and type."""
    by_name = {parameter.name.lower(): parameter for parameter in parameters}
    found = {parameter.role: parameter for parameter in by_name.values() if parameter.role in _ROLES}
    for role, (names, types) in _ROLES.items():
        if role in found:
            continue
        taker = next(
            (by_name[name] for name in names if name in by_name and by_name[name].type in types), None
        )
        if taker is not None:
            found[role] = taker
    masks = [parameter for parameter in by_name.values() if parameter.type == "mask"]
    if masks:
        found.setdefault("mask", masks[0])
    return found


def images_of(parameters: Iterable[Parameter]) -> list[Parameter]:
    """Return the parameters that take pictures, masks aside, in the order in which a form shows them."""
    listed = list(parameters)
    mask = by_role(listed).get("mask")
    return [parameter for parameter in listed if parameter.type == "image" and parameter is not mask]
