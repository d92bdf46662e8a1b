"""What PostgreSQL notifies of: one connection for everything in a process that wants to hear."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import psycopg
from psycopg import sql

from comfywire.service.waiting import set_within

__all__ = ["Listener"]

LISTEN_CHECK = 5.0
"""Seconds after which a silent connection is tried."""
POLL_EVERY = 1.0
"""Seconds between two looks where LISTEN does not work."""
Listening: TypeAlias = psycopg.AsyncConnection[Any]
log = logging.getLogger("comfywire.service")


@dataclass(eq=False, slots=True)
class _Ear:
    channels: frozenset[str]
    on_notify: Callable[[str, str], None]
    on_gap: Callable[[], None]


class Listener:
    """Listens while somebody wants to hear.

    Each statement that notifies wakes the server process of every connection that listens, whatever it is to
    (PostgreSQL 18, async.c, SignalBackends): so there is one.

    Args:
        connect: Opens a connection, in autocommit; None where LISTEN does not work.
        on_error: Told of each error with it.
        pause: Seconds until another one is opened then.

    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[Listening]] | None,
        on_error: Callable[[Exception], None],
        *,
        pause: float = 0.5,
    ) -> None:
        self._connect = connect
        self._on_error = on_error
        self._pause = pause
        self._ears: list[_Ear] = []
        self._changed = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    async def listen(
        self, channels: Iterable[str], on_notify: Callable[[str, str], None], on_gap: Callable[[], None]
    ) -> None:
        """Call ``on_notify(channel, payload)`` for each notification, for ever.

        ``on_gap`` is called when that begins and after each reconnection: what was said before was missed.
        Cancelling ends it.
        """
        ear = _Ear(frozenset(channels), on_notify, on_gap)
        self._ears.append(ear)
        self._changed.set()
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run(), name="comfywire listens")
        try:
            await asyncio.shield(self._running)
        finally:
            self._ears.remove(ear)
            if not self._ears:
                await self._stop()

    async def _stop(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            running.cancel()
            await asyncio.wait([running])

    async def _run(self) -> None:
        if (connect := self._connect) is None:
            await self._poll()
            return
        while True:
            try:
                async with await connect() as connection:
                    await self._hear(connection)
            except psycopg.Error as error:
                self._on_error(error)
            await asyncio.sleep(self._pause)

    async def _poll(self) -> None:
        """Nothing is ever heard, so something may always have been missed."""
        while True:
            self._changed.clear()
            for ear in list(self._ears):
                ear.on_gap()
            await set_within(self._changed, POLL_EVERY)

    async def _hear(self, connection: Listening) -> None:
        """Listen to what is wanted, more of it when more is, until the connection breaks."""
        listened, told = set[str](), set[_Ear]()
        while True:
            self._changed.clear()
            ears = list(self._ears)
            for name in sorted(frozenset[str]().union(*(ear.channels for ear in ears)) - listened):
                await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(name)))
                listened.add(name)
            for ear in ears:
                if ear not in told:
                    told.add(ear)
                    ear.on_gap()
            await self._until_changed(connection)

    async def _until_changed(self, connection: Listening) -> None:
        reading = asyncio.create_task(self._read(connection), name="comfywire notifications")
        changed = asyncio.create_task(self._changed.wait(), name="comfywire ears")
        try:
            await asyncio.wait([reading, changed], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (reading, changed):
                task.cancel()
            await asyncio.wait([reading, changed])
        with contextlib.suppress(asyncio.CancelledError):
            reading.result()

    async def _read(self, connection: Listening) -> None:
        while True:
            async for heard in connection.notifies(timeout=LISTEN_CHECK):
                self._tell(heard.channel, heard.payload)
            await connection.execute("SELECT 1")  # a connection that died silently raises here

    def _tell(self, channel: str, payload: str) -> None:
        for ear in list(self._ears):
            if channel in ear.channels:
                try:
                    ear.on_notify(channel, payload)
                except Exception:  # others have to hear the next one
                    log.exception("%s said %r, which nobody understands", channel, payload)
