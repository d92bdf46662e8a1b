"""Following a job of the service to its end, and saving what it made."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from comfywire.cli.failures import Stopped
from comfywire.cli.jobs.service import DEFAULT_SERVICE, ending_of
from comfywire.service_client.event_stream import ENDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from comfywire.cli.jobs.service_telling import Teller
    from comfywire.errors import JobError
    from comfywire.service_client.client import ServiceClient

__all__ = ["follow_all", "follow_batch"]


async def follow_all(
    client: ServiceClient, job_ids: Sequence[str], teller: Teller, out: Path | None
) -> list[JobError]:
    """Follow jobs to their ends, save their outputs in ``out``, and return what went wrong with them.

    Raises:
        Stopped: Somebody pressed Ctrl-C; the jobs go on.

    """
    tasks: list[asyncio.Task[JobError | None]] = []
    try:
        async with _asking(client), asyncio.TaskGroup() as group:
            tasks += [group.create_task(_follow(client, job_id, teller, out)) for job_id in job_ids]
    except asyncio.CancelledError:
        raise Stopped(_goes_on(client, job_ids)) from None
    except ExceptionGroup as several:
        raise several.exceptions[0] from None
    return [error for error in (task.result() for task in tasks) if error is not None]


async def follow_batch(
    client: ServiceClient, batch_id: str, teller: Teller, out: Path | None
) -> list[JobError]:
    """Follow every job of a batch over one stream, save outputs in ``out``, and return what went wrong.

    Raises:
        Stopped: Somebody pressed Ctrl-C; the jobs go on.

    """
    errors: dict[str, JobError | None] = {}
    try:
        async with _asking(client), aclosing(client.batch_events(batch_id)) as events:
            async for event in events:
                if event.type != "job":
                    continue
                job_id = str(event.data["id"])
                teller.heard(job_id, "status", event.data)
                if event.data["status"] in ENDS and job_id not in errors:
                    errors[job_id] = await _finish(client, job_id, teller, out)
    except asyncio.CancelledError:
        raise Stopped(f"interrupted, and the batch {batch_id} goes on at the service") from None
    return [error for error in errors.values() if error is not None]


@asynccontextmanager
async def _asking(client: ServiceClient) -> AsyncIterator[None]:
    """Ask meanwhile whether the service is there, so that its silence is told."""
    asking = asyncio.create_task(client.keep_asking(), name="comfywire wait: is the service there")
    try:
        yield
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)


async def _follow(client: ServiceClient, job_id: str, teller: Teller, out: Path | None) -> JobError | None:
    async with aclosing(client.events(job_id)) as events:
        async for event in events:
            teller.heard(job_id, event.type, event.data)
    return await _finish(client, job_id, teller, out)


async def _finish(client: ServiceClient, job_id: str, teller: Teller, out: Path | None) -> JobError | None:
    """Save what an ended job made, tell of it, and return what went wrong."""
    job = await client.read(f"/api/v2/jobs/{job_id}")
    paths: dict[str, Path] = {}
    for output in job.get("outputs") or () if out is not None else ():
        if output.get("id"):
            assert out is not None
            name = str(output.get("name") or f"{job_id}-{output['node_id']}")
            paths[output["id"]] = await client.download(str(output["id"]), out, name)
            teller.saved(job_id, output, paths[output["id"]])
    teller.ended(job, paths)
    return ending_of(job)


def _goes_on(client: ServiceClient, job_ids: Sequence[str]) -> str:
    them = " ".join(job_ids)
    there = "" if client.url == DEFAULT_SERVICE else f" --service {client.url}"
    return (
        f"interrupted, and the service goes on: `comfywire wait{there} {them}` follows, "
        f"`comfywire cancel --service {client.url} {them}` ends it"
    )
