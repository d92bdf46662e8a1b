"""Fields of the server's messages, read leniently: a node pack may send a field of another type.

A field that can be left out reads as empty. One without which the message says nothing raises TypeError, and
the message becomes :class:`~comfywire.protocol.messages.Unknown`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["mapping", "number", "text", "texts", "whole", "words"]


def text(value: object) -> str | None:
    """Return an id, or None; a number is spelled out, since graphs built by hand have numbers for ids.

    Raises:
        TypeError: It is neither a text nor a number.

    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return str(value)
    raise TypeError(value)


def words(value: object) -> str:
    """Return a text; anything else is an empty one."""
    return value if isinstance(value, str) else ""


def texts(value: object) -> tuple[str, ...]:
    """Return a list as texts; anything else is an empty one."""
    return tuple(str(entry) for entry in value) if isinstance(value, list) else ()


def number(value: object) -> float:
    """Return a number.

    Raises:
        TypeError: It is none.

    """
    if isinstance(value, int | float):
        return value
    raise TypeError(value)


def whole(value: object) -> int | None:
    """Return a number without its fraction; None for what is no number, NaN included."""
    return int(value) if isinstance(value, int | float) and value == value else None  # noqa: PLR0124 (NaN)


def mapping(value: object) -> Mapping[str, Any]:
    """Return an object; anything else is an empty one."""
    return value if isinstance(value, dict) else {}
