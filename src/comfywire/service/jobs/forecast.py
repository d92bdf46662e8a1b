"""Forecasts when a job will begin and end, from how long jobs with the same need took. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["ENOUGH_RUNS", "Basis", "Forecast", "Took", "forecast_running", "forecast_waiting"]

ENOUGH_RUNS = 3
"""Runs of jobs with one need after which the mean of their times is called measured."""


class Basis(StrEnum):
    """How good an estimate is."""

    MEASURED = "measured"
    """The mean of enough runs of jobs with the same need."""
    ROUGH = "rough"
    """Too few runs of such jobs: runs of jobs of any need, or the progress of the job itself."""


@dataclass(frozen=True, slots=True)
class Took:
    """How long jobs took lately.

    Attributes:
        seconds: The mean time from the start of execution to the end.
        runs: How many runs the mean is of.

    """

    seconds: float
    runs: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """When a job begins and ends.

    Attributes:
        start: Seconds from now; negative for a job that runs.
        end: Seconds from now.
        basis: How good the forecast is.

    """

    start: float
    end: float
    basis: Basis


def forecast_waiting(
    *, like_it: Took | None, others: Took | None, ahead: int, busy: Sequence[float | None]
) -> Forecast | None:
    """Return when a job that waits begins and ends; None if no run is known, or no server may run the job.

    The jobs before this one are dealt to the servers one by one, each to the server that is free first.

    Args:
        like_it: How long jobs with the same need took lately; None if none has run.
        others: How long jobs of any need took lately; the jobs before this one count as such.
        ahead: How many jobs are taken before this one.
        busy: For each server that may run this job, the seconds for which the server's running job has run;
            None for an idle server. Empty where no server may run this job.

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
    """Return when a job that runs ends; None if neither earlier runs nor its progress tell.

    Args:
        like_it: How long jobs with the same need took lately; None if none has run.
        ran: Seconds since the job began.
        share: How much of the job is done, from 0 to 1; None if its progress does not say.

    """
    if like_it is not None and ran < like_it.seconds:
        return Forecast(-ran, like_it.seconds - ran, _basis(like_it))
    if (
        share
    ):  # the job has run longer than the mean, or is the first of its need: its own progress is all there is
        return Forecast(-ran, ran * (1.0 - share) / share, Basis.ROUGH)
    return None


def _basis(like_it: Took | None) -> Basis:
    return Basis.MEASURED if like_it is not None and like_it.runs >= ENOUGH_RUNS else Basis.ROUGH
