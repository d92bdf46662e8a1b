"""Reads and writes batches in the database: jobs that were submitted together, counted by state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from comfywire.service.database.pool import Connection, Database, row
from comfywire.service.jobs.records import JobRecord
from comfywire.service.jobs.states import OPEN, JobState
from comfywire.service.jobs.store import Store
from comfywire.service.sql import queries

__all__ = ["BatchRecord", "Batches", "Member"]

SQL = queries("batches")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRecord:
    """A batch as it stands.

    Attributes:
        id: The batch's id, which no job has.
        key_id: The key that submitted the batch.
        size: How many jobs the batch was submitted with.
        webhook_url: The address that is told when all jobs have ended.
        created_at: When the batch was submitted.
        completed_at: When the last job ended; None while a job is open, also when a retry opened it again.
        counts: How many jobs are in each state; jobs whose retention has ended are not counted.

    """

    id: UUID
    key_id: UUID
    size: int
    webhook_url: str | None
    created_at: datetime
    completed_at: datetime | None
    counts: Mapping[JobState, int] = field(default_factory=dict)

    @classmethod
    def of(cls, stored: Mapping[str, Any], counts: Mapping[JobState, int]) -> BatchRecord:
        """Read a row of ``batches``."""
        names = ("id", "key_id", "size", "webhook_url", "created_at", "completed_at")
        return cls(**{name: stored[name] for name in names}, counts=counts)


@dataclass(frozen=True, slots=True)
class Member:
    """What the feed of a batch needs of one of its jobs in order to count."""

    job_id: UUID
    index: int
    state: JobState


class Batches:
    """The batches of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(
        self, connection: Connection, batch_id: UUID, key_id: UUID, *, size: int, webhook_url: str | None
    ) -> BatchRecord:
        """Record a batch in the caller's transaction, in which the caller records the batch's jobs, too."""
        added = await row(
            connection, SQL["add"], id=batch_id, key_id=key_id, size=size, webhook_url=webhook_url
        )
        assert added is not None
        return BatchRecord.of(added, {JobState.QUEUED: size})

    async def get(self, batch_id: UUID, key_id: UUID | None = None) -> BatchRecord | None:
        """Return a batch; None if there is none, or ``key_id`` is given and the batch is another key's."""
        batch = await self._database.one(SQL["get"], id=batch_id, key_id=key_id)
        return None if batch is None else (await self._counted([batch]))[0]

    async def search(
        self, key_id: UUID, *, before: tuple[datetime, UUID] | None = None, limit: int = 50
    ) -> list[BatchRecord]:
        """Return the batches of a key, newest first; only those older than ``before``, if that is given."""
        when, last = before or (None, None)
        batches = await self._database.all(
            SQL["list"], key_id=key_id, before=when, before_id=last, limit=limit
        )
        return await self._counted(batches)

    async def jobs(self, batch_id: UUID, *, after: int = -1, limit: int = 50) -> list[JobRecord]:
        """Return jobs of a batch in the order of its entries, beginning behind the index ``after``."""
        jobs = await self._database.all(SQL["jobs"], id=batch_id, after=after, limit=limit)
        return [JobRecord.of(job) for job in jobs]

    async def members(self, batch_id: UUID) -> list[Member]:
        """Return every job of a batch with its state, in the order of its entries."""
        jobs = await self._database.all(SQL["states"], id=batch_id)
        return [Member(job["id"], job["batch_index"], JobState(job["state"])) for job in jobs]

    async def cancel(self, store: Store, batch_id: UUID) -> None:
        """Cancel every job of a batch that has not ended.

        The last entry's job is canceled first, since workers take the first entry's jobs first: in the other
        order, each job that ends would let a server begin the next one. When this is cancelled, the jobs that
        it has not reached go on.
        """
        for member in reversed(await self.members(batch_id)):
            if member.state in OPEN:
                await store.cancel(member.job_id, "its batch was canceled")

    async def _counted(self, batches: Sequence[Mapping[str, Any]]) -> list[BatchRecord]:
        counted = await self._database.all(SQL["counts"], ids=[batch["id"] for batch in batches])
        counts: dict[UUID, dict[JobState, int]] = {}
        for group in counted:
            counts.setdefault(group["batch_id"], {})[JobState(group["state"])] = group["count"]
        return [BatchRecord.of(batch, counts.get(batch["id"], {})) for batch in batches]
