"""Values that an input cannot have: those that the server would take for others, without a word."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from .catalogues.packaged import packaged
from .object_info import WIDGET_TYPES

if TYPE_CHECKING:
    from .object_info import Input

__all__ = ["misfit", "takes_only_links"]

# Objects that are unwrapped before the server converts anything: its own (execution.py, validate_inputs,
# 0.3.64), and those that stand for an asset of the job service.
_WRAPPERS = ("__value__", "__type")


def takes_only_links(spec: Input) -> bool:
    """Whether no value can stand in an input: all its types are what core nodes hand on, and nobody types.

    The server queues a value there, and the node fails (execution.py, validate_inputs, 0.3.64). Types of node
    packs may have widgets of their own, which no server tells about.
    """
    return all(kind in _handed_on() for kind in spec.widget_type.split(","))


@cache
def _handed_on() -> frozenset[str]:
    outputs = {output.type for name in packaged() for output in packaged()[name].outputs}
    return frozenset(outputs - WIDGET_TYPES - {"*"})


def misfit(spec: Input, value: Any) -> str:
    """Return what an input takes, if the server would make something else of ``value``; else nothing.

    It converts what it gets: 0.5 to 0 for an INT, "false" to True for a BOOLEAN, None to "None" for a STRING
    (execution.py, validate_inputs, 0.3.64).
    """
    if isinstance(value, Mapping) and any(key in value for key in _WRAPPERS):
        return ""
    match spec.type:
        case "INT" if value is True or value is False or (isinstance(value, float) and value % 1 != 0):
            return "takes a whole number"
        case "FLOAT" if value is True or value is False:
            return "takes a number"
        case "BOOLEAN" if not (value is True or value is False or value in (0, 1)):
            return "takes true or false"
        case "STRING" if value is None or isinstance(value, bool | list | tuple | Mapping):
            return "takes a text"
    return ""
