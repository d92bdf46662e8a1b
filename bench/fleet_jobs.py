"""Jobs of three keys, for ``fleet.py``: submitted, waited for, counted."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from statistics import quantiles
from typing import Any

import aiohttp
from fleet_place import Fleet

AT_ONCE = 8
PATIENCE = 120.0
Figures = dict[str, Any]
colours = itertools.count()


def graph(seconds: float) -> dict[str, Any]:
    """A picture that no cache has, and that takes this long."""
    size = {"width": 8, "height": 8, "batch_size": 1, "color": next(colours)}
    return {
        "1": {"class_type": "EmptyImage", "inputs": size},
        "2": {"class_type": "BenchWait", "inputs": {"image": ["1", 0], "seconds": seconds}},
        "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "bench"}},
    }


class Keys:
    """Three keys, and jobs of theirs."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url, self._session = f"{url}/api/v2", session
        self._gate = asyncio.Semaphore(AT_ONCE)
        self.secrets: list[str] = []

    async def make(self, count: int = 3) -> None:
        """Have so many."""
        for number in range(count):
            async with self._session.post(f"{self._url}/keys", json={"name": f"key {number}"}) as reply:
                reply.raise_for_status()
                self.secrets.append((await reply.json())["secret"])

    async def submit(self, which: int, seconds: float) -> str:
        """Submit a job; return its id."""
        headers = {"Authorization": f"Bearer {self.secrets[which]}"}
        body = {"workflow": graph(seconds)}
        async with self._gate, self._session.post(f"{self._url}/jobs", json=body, headers=headers) as reply:
            reply.raise_for_status()
            return str((await reply.json())["id"])

    async def switch(self, action: str) -> None:
        """Pause the queue, or resume it."""
        async with self._session.post(f"{self._url}/queue/{action}") as reply:
            reply.raise_for_status()


def percentiles(values: Sequence[float]) -> Figures:
    """In milliseconds."""
    cuts = quantiles(values, n=20, method="inclusive")
    return {"p50 ms": round(1000 * cuts[9], 1), "p95 ms": round(1000 * cuts[18], 1), "of": len(values)}


async def until(is_so: Callable[[], Awaitable[bool]], patience: float = PATIENCE) -> float:
    """Wait; return how long that took."""
    began = time.perf_counter()
    while not await is_so():
        if time.perf_counter() - began > patience:
            raise TimeoutError
        await asyncio.sleep(0.1)
    return time.perf_counter() - began


async def all_ended(place: Fleet, ids: Sequence[str]) -> Figures:
    """Wait for the end of these jobs; return how many ended how."""
    query = "SELECT state::text, count(*) AS count FROM jobs WHERE id = ANY(%(ids)s::uuid[]) GROUP BY state"
    ends: dict[str, int] = {}

    async def is_so() -> bool:
        ends.update({row["state"]: row["count"] for row in await place.rows(query, ids=list(ids))})
        open_ones = await place.rows(
            "SELECT FROM jobs WHERE id = ANY(%(ids)s::uuid[]) AND completed_at IS NULL LIMIT 1", ids=list(ids)
        )
        if not open_ones:
            ends.clear()
            ends.update({row["state"]: row["count"] for row in await place.rows(query, ids=list(ids))})
        return not open_ones

    await until(is_so, 4 * PATIENCE)
    return ends


def spent(before: Counter[str], after: Counter[str]) -> dict[str, int]:
    """What came in between."""
    return {name: after[name] - before[name] for name in sorted(after) if after[name] != before[name]}


async def shares(place: Fleet) -> list[int]:
    """How many servers each worker looks after."""
    rows = await place.rows("SELECT count(*) AS count FROM servers GROUP BY worker ORDER BY 1")
    return [row["count"] for row in rows]
