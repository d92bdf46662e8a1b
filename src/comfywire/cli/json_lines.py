"""JSON that every parser reads, on stdout."""

from __future__ import annotations

import json
import math
from typing import Any

import click

__all__ = ["print_json"]


def print_json(value: Any, *, indent: int | None = None) -> None:
    """Print ``value``; what JSON cannot say becomes null, since servers pass NaN and Infinity on."""
    try:
        text = json.dumps(value, indent=indent, allow_nan=False)
    except (TypeError, ValueError):
        text = json.dumps(_sayable(value), indent=indent)
    click.echo(text)


def _sayable(value: Any) -> Any:
    match value:
        case dict():
            return {str(key): _sayable(entry) for key, entry in value.items()}
        case list() | tuple():
            return [_sayable(entry) for entry in value]
        case float() if not math.isfinite(value):
            return None
        case str() | int() | float() | None:
            return value
        case _:
            return str(value)
