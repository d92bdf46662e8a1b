"""Reading what :mod:`.forecast` tells times by: what jobs took lately, and which servers are busy."""

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
"""Seconds for which what jobs took is believed; many readers ask for the same need."""
MOST_KEPT = 1000


@dataclass(frozen=True, slots=True)
class Estimate:
    """When a job is expected to begin and to end.

    Attributes:
        start_at: When it begins, or began; None if that cannot be told.
        end_at: When it ends; None if that cannot be told.
        basis: What both rest on; None with neither.

    """

    start_at: datetime | None = None
    end_at: datetime | None = None
    basis: Basis | None = None


NOTHING = Estimate()


class Estimates:
    """The expected times of the jobs of one database.

    Args:
        database: Where they are.
        clock: Seconds, for what is remembered.

    """

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        self._took: dict[str, tuple[float, Row]] = {}

    async def of(self, job: JobRecord, position: int | None) -> Estimate:
        """Return the expected times of a job.

        Args:
            job: As it stands.
            position: How many jobs are taken before it; None for one that no engine holds: its key has as
                many running as it may, and when that changes cannot be told.

        """
        if job.state == JobState.RUNNING and job.started_at is not None:
            ran = (datetime.now(UTC) - job.started_at).total_seconds()
            share = (job.progress or {}).get("value")
            took = await self._taken(job.need)
            found = forecast_running(like_it=_took(took, "own"), ran=ran, share=share)
            return _at(found) if found else Estimate(start_at=job.started_at)
        if job.state != JobState.QUEUED or position is None:
            return NOTHING
        took = await self._taken(job.need)
        servers = await self._database.all(SQL["busy"], need=job.need, silent_after=SILENT_AFTER)
        busy = [server["ran"] for server in servers]
        return _at(
            forecast_waiting(like_it=_took(took, "own"), others=_took(took, "any"), ahead=position, busy=busy)
        )

    async def _taken(self, need: str) -> Row:
        kept = self._took.get(need)
        if kept is not None and self._clock() - kept[0] < KEPT:
            return kept[1]
        found = await self._database.one(SQL["took"], need=need)
        assert found is not None, "it counts"
        if len(self._took) >= MOST_KEPT:
            self._took.clear()
        self._took[need] = (self._clock(), found)
        return found


def _took(row: Row, which: str) -> Took | None:
    runs = row[f"{which}_runs"]
    return Took(row[f"{which}_seconds"], runs) if runs else None


def _at(found: Forecast | None) -> Estimate:
    if found is None:
        return NOTHING
    now = datetime.now(UTC)
    return Estimate(now + timedelta(seconds=found.start), now + timedelta(seconds=found.end), found.basis)
