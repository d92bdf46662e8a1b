"""Which jobs of a key the engine gets: as many as may run at a time; others are held until one has ended."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from comfywire.errors import ComfywireError
from comfywire.service.database.pool import Connection, Database, execute, row, rows
from comfywire.service.jobs.engine import Queue
from comfywire.service.sql import queries

__all__ = ["Admission", "QueueFull"]

SQL = queries("jobs")


class QueueFull(ComfywireError):
    """A key has as many jobs waiting as it may have.

    Attributes:
        limit: How many.

    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(f"{limit} jobs of this key are waiting, which is all that may: try again later")


class Admission:
    """Gives jobs to the engine, within the limits of their keys.

    Args:
        database: Holds the jobs.
        queue: The engine.

    """

    def __init__(self, database: Database, queue: Queue) -> None:
        self._database = database
        self._queue = queue

    async def may_queue(self, connection: Connection, key_id: UUID, default: int | None) -> bool:
        """Whether the engine gets the job at once; the key is locked until the caller's transaction ends.

        Raises:
            QueueFull: The key has too many waiting.

        """
        limits = await row(connection, SQL["lock_key"], key_id=key_id)
        assert limits is not None, "a job's key exists"
        most = default if limits["max_queued"] is None else limits["max_queued"]
        if most is not None and await _count(connection, "count_queued", key_id, most=most) >= most:
            raise QueueFull(most)
        most_running = limits["max_running"]
        return most_running is None or await _count(connection, "count_admitted", key_id) < most_running

    async def admit(
        self, connection: Connection, job_id: UUID, key_id: UUID, *, need: str, priority: int
    ) -> int:
        """Give a job to the engine; return its id there."""
        queue_id = await self._queue.put(connection, job_id, key_id, need=need, priority=priority)
        await execute(connection, SQL["admit"], job_id=job_id, queue_id=queue_id)
        return queue_id

    async def admit_held(self, connection: Connection, key_id: UUID) -> None:
        """Queue jobs of a key that waited for others of the same key to end."""
        limits = await row(connection, SQL["lock_key"], key_id=key_id)
        if limits is None:
            return
        free = 1000
        if limits["max_running"] is not None:
            free = max(limits["max_running"] - await _count(connection, "count_admitted", key_id), 0)
        for held in await rows(connection, SQL["held"], key_id=key_id, most=free):
            await self.admit(connection, held["id"], key_id, need=held["need"], priority=held["priority"])

    async def admit_all_held(self) -> None:
        """Queue what waits although its key has room again; a worker that died may have left it so."""
        for key in await self._database.all(SQL["keys_that_hold"]):
            await self.admit_held_of(key["key_id"])

    async def admit_held_of(self, key_id: UUID) -> None:
        """Queue what waits for others of the same key to end, as far as it has room now."""
        async with self._database.transaction() as connection:
            await self.admit_held(connection, key_id)


async def _count(connection: Connection, query: str, key_id: UUID, **values: Any) -> int:
    answer = await row(connection, SQL[query], key_id=key_id, **values)
    assert answer is not None
    return int(answer["count"])
