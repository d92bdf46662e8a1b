"""When a job that waits will begin and end, from what jobs like it took. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["ENOUGH_RUNS", "Basis", "Forecast", "Took", "forecast_running", "forecast_waiting"]

ENOUGH_RUNS = 3
"""Runs of a kind of job after which their mean is called measured."""


class Basis(StrEnum):
    """What an estimate rests on."""

    MEASURED = "measured"
    """Runs of jobs that need the same, for this job and for all before it."""
    ROUGH = "rough"
    """Too few of those: runs of other jobs, or what the progress says."""


@dataclass(frozen=True, slots=True)
class Took:
    """What jobs took.

    Attributes:
        seconds: The mean from the start of execution to the end.
        runs: Of how many.

    """

    seconds: float
    runs: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """When a job begins and ends.

    Attributes:
        start: Seconds from now; below zero for one that runs.
        end: Seconds from now.
        basis: What that rests on.

    """

    start: float
    end: float
    basis: Basis


def forecast_waiting(
    *, like_it: Took | None, others: Took | None, ahead: int, busy: Sequence[float | None]
) -> Forecast | None:
    """Return when a job that waits begins and ends; None if nothing is known to tell it by.

    The jobs before it are dealt to the servers one by one, each to the one that is free first.

    Args:
        like_it: What jobs that need the same took lately; None if none has run.
        others: What jobs of any kind took lately.
        ahead: How many jobs are taken before it.
        busy: For each server that may run it, for how many seconds its running job has run; None for an idle
            one. Empty where no server may.

    """
    own = like_it or others
    if own is None or not busy:
        return None
    each = (others or own).seconds
    free = [0.0 if ran is None else max(each - ran, 0.0) for ran in busy]
    heapq.heapify(free)
    for _ in range(ahead):
        heapq.heappush(free, heapq.heappop(free) + each)
    start = free[0]
    return Forecast(start, start + own.seconds, _basis(like_it))


def forecast_running(*, like_it: Took | None, ran: float, share: float | None) -> Forecast | None:
    """Return when a job that runs ends; None if nothing is known to tell it by.

    Args:
        like_it: What jobs that need the same took lately.
        ran: Seconds since it began.
        share: How much of it is done, from 0 to 1; None if that is not known.

    """
    if like_it is not None and ran < like_it.seconds:
        return Forecast(-ran, like_it.seconds - ran, _basis(like_it))
    if share:  # longer than those before it, or the first of its kind: what it has done tells
        return Forecast(-ran, ran * (1.0 - share) / share, Basis.ROUGH)
    return None


def _basis(like_it: Took | None) -> Basis:
    return Basis.MEASURED if like_it is not None and like_it.runs >= ENOUGH_RUNS else Basis.ROUGH
