"""The events of a batch: each job's state when that changes, and the counts.

No events are queued for a reader. Each time, the states that the reader was told are compared with those in
the database, and the differences are sent. So a slow reader costs no memory, and a reader that connects again
is told how every job stands by then.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from types import TracebackType
from typing import Self
from uuid import UUID

from comfywire.service.database.pool import Database
from comfywire.service.jobs.batches import Batches, Member
from comfywire.service.jobs.live_jobs import JOBS
from comfywire.service.jobs.states import TERMINAL, JobState

__all__ = ["BatchEvents"]

PAUSE = 0.2
"""Seconds between two reads of a batch: a thousand jobs may end in them, and one read finds them all."""
Frame = Callable[[str, int | None, str], bytes]


class BatchEvents:
    """Tells one reader of a batch; inside this context it listens for changes of the batch's jobs.

    Args:
        batches: Reads the batch's jobs.
        database: Notifies of changes of jobs.
        batch_id: The batch.
        heartbeat: Seconds of silence after which a comment shows that the stream is alive, and the jobs are
            read again.

    """

    def __init__(self, batches: Batches, database: Database, batch_id: UUID, *, heartbeat: float) -> None:
        self._batches = batches
        self._database = database
        self._batch_id = batch_id
        self._heartbeat = heartbeat
        self._job_ids: frozenset[str] = frozenset()
        self._told: dict[UUID, JobState] = {}
        self._changed = asyncio.Event()
        self._listening: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._job_ids = frozenset(str(job.job_id) for job in await self._batches.members(self._batch_id))
        listening = self._database.listen([JOBS], self._heard, self._changed.set)
        self._listening = asyncio.create_task(listening, name=f"comfywire batch {self._batch_id}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)

    async def frames(self, frame: Frame, alive: bytes) -> AsyncGenerator[bytes]:
        """Yield a frame for each job that changed and one for the counts, until every job has ended."""
        while True:
            # Cleared before the read, so that a change during the read is looked at in the next round.
            self._changed.clear()
            jobs = await self._batches.members(self._batch_id)
            for name, text in self._news(jobs):
                yield frame(name, None, text)
            if all(job.state in TERMINAL for job in jobs):
                return
            await asyncio.sleep(PAUSE)
            try:
                async with asyncio.timeout(self._heartbeat):
                    await self._changed.wait()
            except TimeoutError:
                yield alive

    def _news(self, jobs: list[Member]) -> list[tuple[str, str]]:
        """Return the events that lead from the states that the reader was told to those of now."""
        changed = [job for job in jobs if self._told.get(job.job_id, JobState.QUEUED) is not job.state]
        is_first = not self._told
        self._told = {job.job_id: job.state for job in jobs}
        events = [
            ("job", json.dumps({"id": str(job.job_id), "index": job.index, "status": job.state.value}))
            for job in changed
        ]
        if changed or is_first:
            counts = Counter(job.state.value for job in jobs)
            status = "completed" if all(job.state in TERMINAL for job in jobs) else "running"
            events.append(("status", json.dumps({"status": status, "counts": dict(counts)})))
        return events

    def _heard(self, channel: str, payload: str) -> None:
        del channel
        if payload in self._job_ids:
            self._changed.set()
