"""JSON that PostgreSQL can keep: what ``jsonb`` refuses is found or replaced before. Pure."""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal
from typing import Any

__all__ = [
    "DEEPEST",
    "as_json",
    "as_storable",
    "as_text",
    "is_same",
    "is_text",
    "is_too_deep",
    "must_be_storable",
    "must_be_text",
]

DEEPEST = 100
"""Levels of nesting; PostgreSQL takes more, and so far no workflow has needed half of it."""
LARGEST = 10**300
_BAD = re.compile("[\x00\ud800-\udfff]")
_LARGE_FLOAT = re.compile(r'"(?:[^"\\]++|\\.)*+"|-?[\d.]+e\+\d+')
"""Or a text, in which nothing is a number. Possessive: no character of a picture is a place to go back to,
for which four million of them take a second and half a gigabyte."""


def must_be_text(text: str) -> str:
    """Return ``text`` if it can be kept.

    Raises:
        ValueError: It holds NUL or half of a surrogate pair.

    """
    if _BAD.search(text):
        raise ValueError("holds a NUL or half a surrogate pair, which no text can have")
    return text


def is_text(text: str) -> bool:
    """Whether ``text`` can be kept: what cannot be names nothing that is kept."""
    return _BAD.search(text) is None


def must_be_storable(value: Any) -> Any:
    """Return ``value`` if it can be kept as ``jsonb``.

    Raises:
        ValueError: It is nested too deeply, or holds text or a number that cannot be kept.

    """
    todo = [(value, 0)]
    while todo:
        one, depth = todo.pop()
        if depth > DEEPEST:
            raise ValueError(f"is nested more than {DEEPEST} levels deep")
        match one:
            case str():
                must_be_text(one)
            case float() if not math.isfinite(one):
                raise ValueError("holds NaN or Infinity, which JSON does not have")
            case int() if abs(one) > LARGEST:
                raise ValueError("holds a number of more than 300 digits")
            case dict():
                todo += [(key, depth) for key in one] + [(inner, depth + 1) for inner in one.values()]
            case list():
                todo += [(inner, depth + 1) for inner in one]
    return value


def is_too_deep(value: Any) -> bool:
    """Whether ``value`` is nested more deeply than can be kept; found without recursion."""
    todo = [(value, 0)]
    while todo:
        one, depth = todo.pop()
        if isinstance(one, dict | list):
            if depth == DEEPEST:
                return True
            todo += [(inner, depth + 1) for inner in (one.values() if isinstance(one, dict) else one)]
    return False


def as_text(text: str) -> str:
    """Return ``text`` with a mark for each character that cannot be kept: nodes say what they like."""
    return _BAD.sub("\ufffd", text)


def as_storable(value: Any, depth: int = 0) -> Any:
    """Return ``value`` with what cannot be kept replaced: characters by a mark, everything else by None."""
    match value:
        case str():
            return as_text(value)
        case float() if not math.isfinite(value):
            return None
        case int() if abs(value) > LARGEST:
            return None
        case dict() | list() if depth == DEEPEST:
            return None
        case dict():
            return {as_text(str(key)): as_storable(inner, depth + 1) for key, inner in value.items()}
        case list():
            return [as_storable(inner, depth + 1) for inner in value]
        case _:
            return value


def as_json(value: Any) -> str:
    """Return ``value`` as JSON from which ``jsonb`` tells whole numbers from others, as Python does.

    Python writes 1e16 so, and PostgreSQL keeps that as a whole number; the ``.0`` of 10000000000000000.0 is
    kept. What no ``jsonb`` has is the sign of -0.0.
    """
    text = json.dumps(value)
    return _LARGE_FLOAT.sub(_written_out, text) if "e+" in text else text


def _written_out(found: re.Match[str]) -> str:
    number = found[0]
    return number if number.startswith('"') else f"{Decimal(number):f}.0"


def is_same(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON: for Python 1, 1.0 and true are equal."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(is_same, one, other))
    return type(one) is type(other) and bool(one == other)
