"""What waits for servers, by what it needs of one: tags, models, whole needs. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

__all__ = ["MOST_NEEDS", "Demand", "WaitingNeed", "demand_of"]

MOST_NEEDS = 200
"""Needs that are told, the largest first: a caller may make a new one with every job."""
UNTAGGED = ""
"""Stands for jobs that any server's tags will do for."""


@dataclass(frozen=True, slots=True)
class WaitingNeed:
    """Jobs that wait and need the same of a server.

    Attributes:
        need: The name of the need.
        count: How many.
        oldest: Since when the oldest waits.
        tags: What the server must be tagged with.
        models: Names of model files that it must have.

    """

    need: str
    count: int
    oldest: datetime
    tags: tuple[str, ...]
    models: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Demand:
    """What waits for servers.

    Attributes:
        needs: The largest first.
        by_tag: Jobs by tag, ``""`` for those without; one with two tags counts in both.
        by_model: Jobs by model file, in the same way.
        as_of: When they were counted; None in a demand that was never asked for.

    """

    needs: tuple[WaitingNeed, ...] = ()
    by_tag: Mapping[str, int] = field(default_factory=dict)
    by_model: Mapping[str, int] = field(default_factory=dict)
    as_of: datetime | None = None


def demand_of(rows: Iterable[Mapping[str, Any]], *, as_of: datetime) -> Demand:
    """Return the demand that rows of ``need``, ``requirement``, ``count`` and ``oldest`` tell of."""
    needs = tuple(_need_of(row) for row in rows if row["count"])
    by_tag: Counter[str] = Counter()
    by_model: Counter[str] = Counter()
    for need in needs:
        by_tag.update(dict.fromkeys(need.tags or (UNTAGGED,), need.count))
        by_model.update(dict.fromkeys(need.models, need.count))
    return Demand(needs, dict(by_tag), dict(by_model), as_of)


def _need_of(row: Mapping[str, Any]) -> WaitingNeed:
    requirement = row["requirement"]
    models = {
        name
        for inputs in (requirement.get("models") or {}).values()
        for names in inputs.values()
        for name in names
    }
    tags = tuple(sorted(set(requirement.get("tags") or ())))
    return WaitingNeed(row["need"], row["count"], row["oldest"], tags, tuple(sorted(models)))
