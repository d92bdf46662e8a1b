"""Waiting for a job's end, for callers who want the result as the answer to their request (``?wait=``)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

from comfywire.service.jobs.live_jobs import Broker
from comfywire.service.jobs.records import JobRecord

__all__ = ["until_over"]


async def until_over(
    broker: Broker,
    job_id: UUID,
    seconds: float,
    told: Callable[[JobRecord], Awaitable[None]] | None = None,
) -> JobRecord | None:
    """Return a job when it has ended, or as it is after ``seconds``; None if it was removed meanwhile.

    A process that is about to stop ends the waiting, too. Cancelling this leaves the job alone.

    Args:
        broker: Keeps the job up to date.
        job_id: The job.
        seconds: How long to wait at most.
        told: Is given the job at first, and whenever it has changed, until it ends.

    Raises:
        psycopg.OperationalError: The database is away.

    """
    now = asyncio.get_running_loop().time
    deadline = now() + seconds
    async with broker.watch(job_id) as live:
        while True:
            change = live.next_change()
            if live.job is None or live.job.is_over or live.is_closed or now() >= deadline:
                return live.job
            if told is not None:
                await told(live.job)
            await live.changed(change, deadline - now())
