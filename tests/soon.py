"""How a test measures that something comes soon, on a machine that may be at other work."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

__all__ = ["SOON", "soon"]

Awaited = TypeVar("Awaited")
SOON = 2.5
"""Seconds: two, and what this machine needs."""
TURN = 0.05


async def soon(work: Awaitable[Awaited], seconds: float = SOON) -> Awaited:
    """Await what must be there within ``seconds`` of this loop's own time.

    They are counted in naps of the loop, so that a machine which is at other work makes them longer: what it
    keeps from us is not what we take.

    Raises:
        TimeoutError: It was not there.

    """
    async with asyncio.timeout(None) as limit:
        passing = asyncio.create_task(_let_pass(seconds, limit))
        try:
            return await work
        finally:
            passing.cancel()


async def _let_pass(seconds: float, limit: asyncio.Timeout) -> None:
    for _ in range(round(seconds / TURN)):
        await asyncio.sleep(TURN)
    limit.reschedule(asyncio.get_running_loop().time())
