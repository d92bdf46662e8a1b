"""Waiting for a job's end, for those who want the answer to their request to be the result."""

from __future__ import annotations

import asyncio
from uuid import UUID

from comfywire.service.jobs.feeds import Broker
from comfywire.service.jobs.records import JobRecord

__all__ = ["until_over"]


async def until_over(broker: Broker, job_id: UUID, seconds: float) -> JobRecord | None:
    """Return a job when it has ended, or as it is after ``seconds``; None if it is not there any more.

    The process about to stop also ends it. Cancelling this leaves the job alone.

    Raises:
        psycopg.OperationalError: The database is away.

    """
    now = asyncio.get_running_loop().time
    deadline = now() + seconds
    async with broker.watch(job_id) as feed:
        while True:
            change = feed.next_change()
            if feed.job is None or feed.job.is_over or feed.is_closed or now() >= deadline:
                return feed.job
            await feed.changed(change, deadline - now())
