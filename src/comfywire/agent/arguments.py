"""The arguments of the tools that every desk has, read or refused in words that say the next step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from comfywire.errors import ComfywireError

from .tools import MOST_LISTED

__all__ = ["Misunderstood", "graph_of", "limit_of", "seconds_of", "text_of"]

LISTED = 20


class Misunderstood(ComfywireError):
    """A call whose arguments cannot be."""


def graph_of(arguments: Mapping[str, Any]) -> tuple[dict[str, Any], list[str] | None]:
    """Return the graph that is given, and the nodes to run; None for all.

    Raises:
        Misunderstood: There is no graph, or what is to run is no list of ids.

    """
    workflow, outputs = arguments.get("workflow"), arguments.get("outputs")
    if not isinstance(workflow, dict):
        raise Misunderstood("workflow is missing: give a graph in API format, an object of nodes by id")
    if outputs is not None and not (
        isinstance(outputs, list) and all(isinstance(one, str) for one in outputs)
    ):
        raise Misunderstood("outputs is a list of node ids, as texts")
    return workflow, outputs or None


def seconds_of(arguments: Mapping[str, Any]) -> float | None:
    """Return how long to wait; None where nothing is said.

    Raises:
        Misunderstood: It is no time.

    """
    seconds = arguments.get("seconds")
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds <= 0:
        raise Misunderstood(f"seconds is a number above 0, and not {seconds!r}")
    return float(seconds)


def limit_of(arguments: Mapping[str, Any]) -> int:
    """Return how many jobs to list.

    Raises:
        Misunderstood: It is no number of jobs, or too many.

    """
    limit = arguments.get("limit")
    limit = LISTED if limit is None else limit
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= MOST_LISTED:
        raise Misunderstood(f"limit is a number from 1 to {MOST_LISTED}, and not {limit!r}")
    return limit


def text_of(arguments: Mapping[str, Any], name: str) -> str | None:
    """Return the text that an argument is; None where it is not given.

    Raises:
        Misunderstood: It is no text.

    """
    text = arguments.get(name)
    if text is not None and not isinstance(text, str):
        raise Misunderstood(f"{name} is a text, and not {str(text)[:80]}")
    return text
