"""Reads what :mod:`.forecast` needs: how long jobs took lately, and which servers are busy."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from comfywire.service.database.pool import Database, Row
from comfywire.service.fleet.registry import SILENT_AFTER
from comfywire.service.jobs.forecast import Basis, Forecast, Took, forecast_running, forecast_waiting
from comfywire.service.jobs.records import JobRecord
from comfywire.service.jobs.states import JobState
from comfywire.service.sql import queries

__all__ = ["Estimate", "Estimates"]

SQL = queries("estimates")
KEPT = 5.0
"""Seconds for which the times of a need are used again: many readers ask for jobs of the same need."""
MOST_KEPT = 1000
"""Needs whose times are in memory; at one more, all are dropped and read anew."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """When a job is expected to begin and to end.

    Attributes:
        start_at: When the job begins, or began; None if there is nothing to estimate it by.
        end_at: When the job ends; None if there is nothing to estimate it by.
        basis: How good the estimate is; None where there is no estimate.

    """

    start_at: datetime | None = None
    end_at: datetime | None = None
    basis: Basis | None = None


NOTHING = Estimate()


class Estimates:
    """The expected times of the jobs of one database.

    Args:
        database: The database that has the jobs and the servers.
        now: Tells the time by the database's clock, in seconds since 1970.
        clock: Returns seconds, by which times in memory grow old.

    """

    def __init__(
        self,
        database: Database,
        *,
        now: Callable[[], float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._now = now
        self._clock = clock
        self._took: dict[str, tuple[float, Row]] = {}

    async def of(self, job: JobRecord, position: int | None) -> Estimate:
        """Return the expected times of a job.

        Args:
            job: The job as it stands.
            position: How many jobs are taken before this one; None for a held job, which is not in the queue:
                its key has as many jobs running as it may, and when one of those ends cannot be told.

        """
        if job.state == JobState.RUNNING and job.started_at is not None:
            ran = self._now() - job.started_at.timestamp()
            share = (job.progress or {}).get("value")
            took = await self._taken(job.need)
            forecast = forecast_running(like_it=_took(took, "own"), ran=ran, share=share)
            return self._at(forecast) if forecast else Estimate(start_at=job.started_at)
        if job.state != JobState.QUEUED or position is None:
            return NOTHING
        took = await self._taken(job.need)
        servers = await self._database.all(SQL["busy"], need=job.need, silent_after=SILENT_AFTER)
        busy = [server["ran"] for server in servers]
        return self._at(
            forecast_waiting(like_it=_took(took, "own"), others=_took(took, "any"), ahead=position, busy=busy)
        )

    def _at(self, forecast: Forecast | None) -> Estimate:
        if forecast is None:
            return NOTHING
        now = datetime.fromtimestamp(self._now(), UTC)
        start, end = timedelta(seconds=forecast.start), timedelta(seconds=forecast.end)
        return Estimate(now + start, now + end, forecast.basis)

    async def _taken(self, need: str) -> Row:
        remembered = self._took.get(need)
        if remembered is not None and self._clock() - remembered[0] < KEPT:
            return remembered[1]
        took = await self._database.one(SQL["took"], need=need)
        assert took is not None, "it counts"
        if len(self._took) >= MOST_KEPT:
            self._took.clear()
        self._took[need] = (self._clock(), took)
        return took


def _took(row: Row, which: str) -> Took | None:
    runs = row[f"{which}_runs"]
    return Took(row[f"{which}_seconds"], runs) if runs else None
