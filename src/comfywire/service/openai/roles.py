"""What the parameters of a workflow are to a program that knows none of their names. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from comfywire.workflow import Parameter
from comfywire.workflow.parameters.guesses import with_roles

__all__ = ["by_role", "images_of"]


def by_role(parameters: Iterable[Parameter]) -> dict[str, Parameter]:
    """Return the parameter of each role that there is, of several the first.

    Those that no author gave a role have the one that forms guess from their names and types.
    """
    found: dict[str, Parameter] = {}
    for parameter in with_roles(parameters):
        if parameter.role:
            found.setdefault(parameter.role, parameter)
    return found


def images_of(parameters: Iterable[Parameter]) -> list[Parameter]:
    """Return the parameters that take pictures, masks aside, in the order in which a form shows them."""
    return [each for each in with_roles(parameters) if each.type == "image" and each.role != "mask"]
