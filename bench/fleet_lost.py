"""A worker that is killed, for ``fleet.py``: when others have its jobs and its servers, what that takes."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Sequence

from fleet_jobs import Figures, Keys, all_ended, shares, spent, until
from fleet_place import Fleet

RUNS = 20.0
"""Seconds that each job takes meanwhile."""
USUAL = 5.0
"""Seconds in which is seen what the fleet asks for anyway."""


async def lost(place: Fleet, keys: Keys, servers: int) -> Figures:
    """Kill the worker with the most servers while each has a job: when others have those."""
    ids = await asyncio.gather(*(keys.submit(at % len(keys.secrets), RUNS) for at in range(servers)))
    running = "SELECT count(*) AS count FROM jobs WHERE state = 'running'"

    async def all_run() -> bool:
        return (await place.rows(running))[0]["count"] >= servers * 0.9

    await until(all_run)
    before, began = await place.costs(), time.perf_counter()
    await asyncio.sleep(USUAL)
    usual = (await place.costs())["statements"] - before["statements"]
    a_second = usual / (time.perf_counter() - began)
    (most,) = await place.rows(
        "SELECT worker, array_agg(url) AS urls FROM servers WHERE worker IS NOT NULL"
        " GROUP BY worker ORDER BY count(*) DESC LIMIT 1"
    )
    pid = int(most["worker"].split("-")[-2])
    await place.forget_statements()
    before, killed = await place.costs(), time.perf_counter()
    os.kill(pid, signal.SIGKILL)
    place.contestant.processes.remove(place.workers.pop(pid))
    jobs, added = await asyncio.gather(*_taken_over(place, most["worker"]))
    took = time.perf_counter() - killed
    found = spent(before, await place.costs())
    return {
        "servers of the worker": len(most["urls"]),
        "its jobs are others' after s": jobs,
        "its servers are others' after s": added,
        "statements a second before": round(a_second, 1),
        "statements a second until then": round(found["statements"] / took, 1),
        "notifications": {name: n for name, n in found.items() if name.startswith("notified ")},
        "statements": await place.most_asked(),
        "servers by worker": await shares(place),
        "ends": await all_ended(place, ids),
        "a job was sent, times at most": await _most_sent(place, ids),
    }


def _taken_over(place: Fleet, worker: str) -> list[Awaitable[float | None]]:
    """When no job, and when no server but the one that it was started with, is of a worker that is dead."""

    async def when(query: str) -> float | None:
        async def is_so() -> bool:
            return not await place.rows(query, worker=worker)

        try:
            return round(await until(is_so), 1)
        except TimeoutError:
            return None

    jobs = "SELECT FROM jobs WHERE worker = %(worker)s AND completed_at IS NULL LIMIT 1"
    added = "SELECT FROM servers JOIN added_servers USING (url) WHERE worker = %(worker)s LIMIT 1"
    return [when(jobs), when(added)]


async def _most_sent(place: Fleet, ids: Sequence[str]) -> int:
    """More than once where it was on its way from one server to another, or its first prompt was nowhere."""
    (found,) = await place.rows(
        "SELECT max(submissions) AS most FROM jobs WHERE id = ANY(%(ids)s::uuid[])", ids=list(ids)
    )
    return int(found["most"])
