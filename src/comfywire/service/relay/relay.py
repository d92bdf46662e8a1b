"""Carries messages to the sockets that want them: at once in this process, through PostgreSQL in others.

A process that holds a socket writes the socket down and says so; workers keep a list of who listens. What
nobody listens to is not written anywhere. Messages are news and may be lost with a crash: what counts of a
job is in the store, and its end is told from there.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime
from typing import Protocol
from uuid import UUID, uuid4

from comfywire.service.database.outage import AWAY
from comfywire.service.database.pool import Database
from comfywire.service.relay.said import Audience, Said
from comfywire.service.sql import queries

__all__ = ["Relay", "SpeakerLike"]

SOCKETS, MESSAGES = "comfywire_native_sockets", "comfywire_native_messages"
SQL = queries("relay")
BEAT = 5.0
"""Seconds between two signs of life of a process with sockets."""
LEASE = 20.0
"""Seconds after the last sign of life for which workers go on speaking to a process."""
REMEMBERED = 600.0
"""Seconds for which a closed socket is remembered."""
KEPT = 60.0
"""Seconds after which a message that nobody has read is thrown away."""
MOST_WAITING = 2_000
"""Messages that wait for the database; beyond it, those that are soon superseded are dropped."""
AWAY_PAUSE = 0.5
Hear = Callable[[Said], None]


class SpeakerLike(Protocol):
    """Speaks of one job that runs."""

    @property
    def audience(self) -> Audience:
        """To whom."""

    def catch_up(self, socket: UUID) -> None:
        """Say how things stand to one socket that came late."""


class Relay:
    """One process's part: its own sockets, what it knows of others', and the jobs that it speaks of.

    Args:
        database: Where processes meet.

    """

    def __init__(self, database: Database) -> None:
        self.process = uuid4()
        self._database = database
        self._here: dict[Audience, dict[UUID, Hear]] = {}
        self._elsewhere: dict[UUID, tuple[Audience, UUID]] = {}
        self._processes: dict[Audience, set[UUID]] = {}
        self._speakers: dict[Audience, list[SpeakerLike]] = {}
        self._waiting: deque[tuple[UUID, Said]] = deque()
        self._writing: asyncio.Task[None] | None = None
        self._queued = self._written = 0
        self._batch_written = asyncio.Event()
        self._sockets_changed = asyncio.Event()
        self._has_mail = asyncio.Event()
        self._turn = asyncio.Lock()

    # Sockets

    @contextlib.asynccontextmanager
    async def socket(self, audience: Audience, hear: Hear) -> AsyncIterator[tuple[UUID, datetime | None]]:
        """Have a socket that hears what is said to ``audience``, inside this context.

        Yields its id, and until when an earlier socket of the same audience was certainly there. Those who
        run something say how that stands: in other processes at once, here when :meth:`catch_up` asks.

        Raises:
            psycopg.OperationalError: The database is away.

        """
        socket = uuid4()
        values = {"key_id": audience.key_id, "client_id": audience.client_id}
        found = await self._database.one(SQL["open_socket"], socket=socket, process=self.process, **values)
        self._here.setdefault(audience, {})[socket] = hear
        try:
            yield socket, None if found is None else found["heard_until"]
        finally:
            del self._here[audience][socket]
            if not self._here[audience]:
                del self._here[audience]
            with contextlib.suppress(*AWAY):
                await self._database.do(SQL["close_sockets"], sockets=[socket])

    def catch_up(self, audience: Audience, socket: UUID) -> None:
        """Have those who speak to ``audience`` in this process say to one socket how things stand."""
        for speaker in list(self._speakers.get(audience, ())):
            speaker.catch_up(socket)

    async def beat(self) -> None:
        """Keep the sockets of this process known, for ever; throw away what nobody reads."""
        while True:
            with contextlib.suppress(*AWAY):
                values = {"remembered": REMEMBERED, "kept": KEPT}
                await self._database.do(SQL["beat"], process=self.process, **values)
            await asyncio.sleep(BEAT)

    async def receive(self) -> None:
        """Hear what workers in other processes say to our sockets, for ever."""
        listening = asyncio.create_task(
            self._database.listen([MESSAGES], self._heard, self._has_mail.set), name="comfywire relay mail"
        )
        try:
            while True:
                await self._has_mail.wait()
                self._has_mail.clear()
                try:
                    await self.take_in()
                except AWAY:
                    await asyncio.sleep(AWAY_PAUSE)
                    self._has_mail.set()
        finally:
            listening.cancel()
            await asyncio.wait([listening])

    def _heard(self, channel: str, payload: str) -> None:
        del channel
        if payload == str(self.process):
            self._has_mail.set()

    async def take_in(self) -> None:
        """Hand on what is there for this process; afterwards all that was written before was heard.

        Raises:
            psycopg.OperationalError: The database is away.

        """
        async with self._turn:
            for row in await self._database.all(SQL["take"], process=self.process):
                frame = row["text"] if row["bytes"] is None else bytes(row["bytes"])
                audience = Audience(row["key_id"], row["client_id"])
                self._hand_on(Said(row["job_id"], audience, row["kind"], frame, row["socket"]))

    def _hand_on(self, said: Said) -> None:
        for socket, hear in list(self._here.get(said.audience, {}).items()):
            if said.socket in (None, socket):
                hear(said)

    # Workers

    @contextlib.contextmanager
    def speaking(self, speaker: SpeakerLike) -> Iterator[None]:
        """Have ``speaker`` say how things stand to sockets that come late, inside this context."""
        speakers = self._speakers.setdefault(speaker.audience, [])
        speakers.append(speaker)
        try:
            yield
        finally:
            speakers.remove(speaker)
            if not speakers:
                del self._speakers[speaker.audience]

    async def watch_sockets(self) -> None:
        """Know who listens in other processes, for ever; a worker's duty."""
        listening = asyncio.create_task(
            self._database.listen([SOCKETS], self._socket_opened, self._sockets_changed.set),
            name="comfywire relay sockets",
        )
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LEASE if self._elsewhere else None):
                        await self._sockets_changed.wait()
                self._sockets_changed.clear()
                with contextlib.suppress(*AWAY):
                    await self._read_sockets()
        finally:
            listening.cancel()
            await asyncio.wait([listening])

    def _socket_opened(self, channel: str, payload: str) -> None:
        del channel
        if not any(UUID(payload) in sockets for sockets in self._here.values()):
            self._sockets_changed.set()

    async def _read_sockets(self) -> None:
        found = await self._database.all(SQL["open_sockets"], process=self.process, lease=LEASE)
        before = self._elsewhere
        self._elsewhere = {
            row["id"]: (Audience(row["key_id"], row["client_id"]), row["process"]) for row in found
        }
        self._processes = {}
        for audience, process in self._elsewhere.values():
            self._processes.setdefault(audience, set()).add(process)
        for socket in self._elsewhere.keys() - before.keys():
            self.catch_up(self._elsewhere[socket][0], socket)

    def has_listeners(self, audience: Audience) -> bool:
        """Whether anybody listens."""
        return audience in self._here or audience in self._processes

    def say(self, said: Said) -> None:
        """Say something to who listens; it never waits, and what is for nobody is dropped."""
        self._hand_on(said)
        for process in self._addressees(said):
            if len(self._waiting) >= MOST_WAITING:
                if said.is_passing:
                    continue
                self._waiting.popleft()
            self._waiting.append((process, said))
            self._queued += 1
            if self._writing is None:
                self._writing = asyncio.create_task(self._write(), name="comfywire relay")

    def _addressees(self, said: Said) -> set[UUID]:
        if said.socket is None:
            return self._processes.get(said.audience, set())
        return {self._elsewhere[said.socket][1]} if said.socket in self._elsewhere else set()

    async def flush(self) -> None:
        """Wait until all that was said before is where its readers find it; not for a database that is away.

        What others say meanwhile is not waited for: where much is said, that would have no end.
        """
        queued = self._queued
        while self._writing is not None and self._written < queued:
            await self._batch_written.wait()

    async def _write(self) -> None:
        """Write what waits, all of it at a time, until nothing does."""
        try:
            while self._waiting:
                batch, up_to = list(self._waiting), self._queued
                self._waiting.clear()
                with contextlib.suppress(*AWAY):
                    await self._database.all(SQL["say"], **_columns(batch))
                self._written = up_to
                self._tell_flushers()
        finally:
            self._writing = None
            self._tell_flushers()

    def _tell_flushers(self) -> None:
        written, self._batch_written = self._batch_written, asyncio.Event()
        written.set()


def _columns(batch: list[tuple[UUID, Said]]) -> dict[str, list[object]]:
    said = [one for _, one in batch]
    return {
        "processes": [process for process, _ in batch],
        "jobs": [one.job_id for one in said],
        "keys": [one.audience.key_id for one in said],
        "clients": [one.audience.client_id for one in said],
        "sockets": [one.socket for one in said],
        "kinds": [one.kind for one in said],
        "texts": [one.frame.replace("\0", "") if isinstance(one.frame, str) else None for one in said],
        "bytes": [one.frame if isinstance(one.frame, bytes) else None for one in said],
    }
