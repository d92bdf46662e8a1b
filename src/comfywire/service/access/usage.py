"""What a key has used: jobs, run time and bytes by day, as far as its jobs are still kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from comfywire.service.database.pool import Database
from comfywire.service.sql import queries

__all__ = ["DayOfUse", "usage_of"]

SQL = queries("usage")


@dataclass(frozen=True, slots=True)
class DayOfUse:
    """One day of one key, in UTC.

    Attributes:
        day: The day.
        jobs: Jobs that were submitted on it.
        failed: Those of them that failed.
        run_seconds: Seconds for which they ran.
        bytes: Bytes of the uploads and outputs of that day.

    """

    day: date
    jobs: int
    failed: int
    run_seconds: float
    bytes: int


async def usage_of(database: Database, key_id: UUID, days: int) -> list[DayOfUse]:
    """Return the last ``days`` days of a key, today first."""
    return [DayOfUse(**one) for one in await database.all(SQL["by_day"], key_id=key_id, days=days)]
