"""The database's clock: the one that all processes of a service share, whatever their own ones say."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Self

from comfywire.service.database.outage import AWAY
from comfywire.service.database.pool import Database
from comfywire.service.sql import queries

__all__ = ["DatabaseClock"]

SQL = queries("database")
ASK_EVERY = 60.0
"""Seconds between two questions: a machine that slept has stopped the clock that is counted by meanwhile."""


class DatabaseClock:
    """Tells what time it is by the database's clock, without asking it each time.

    Inside its context the database is asked at the start, and now and then.

    Args:
        database: Which.

    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._ahead = 0.0
        self._asking: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._ask()
        self._asking = asyncio.create_task(self._go_on_asking(), name="comfywire clock")
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._asking is not None
        self._asking.cancel()
        await asyncio.wait([self._asking])

    def now(self) -> float:
        """Return the seconds since 1970."""
        return time.monotonic() + self._ahead

    async def _go_on_asking(self) -> None:
        while True:
            await asyncio.sleep(ASK_EVERY)
            with contextlib.suppress(*AWAY):
                await self._ask()

    async def _ask(self) -> None:
        before = time.monotonic()
        answer = await self._database.one(SQL["clock"])
        assert answer is not None
        self._ahead = answer["seconds"] - (before + time.monotonic()) / 2
