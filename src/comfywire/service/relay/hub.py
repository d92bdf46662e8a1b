"""The sockets of one process, and what they are told beside what ComfyUIs say: queues and ends.

An end is told when PostgreSQL says that it is recorded, and by what is recorded then, whoever ended the job:
so that a program which hears it and asks for the history finds it there.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Coroutine
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from comfywire.service.database.outage import AWAY
from comfywire.service.database.pool import Database, Row
from comfywire.service.jobs.states import JobState
from comfywire.service.relay.ear import Ear
from comfywire.service.relay.ending import EndedJob
from comfywire.service.relay.outbox import Outbox
from comfywire.service.relay.relay import Relay
from comfywire.service.relay.said import Audience
from comfywire.service.sql import queries

__all__ = ["Hub"]

NATIVE = "comfywire_native"
SQL = queries("relay")
MOST_MISSED = 50
"""Ends that a socket which comes back is told."""
STATUS_PAUSE = 0.5
"""Seconds between two looks at the queue of a key, for all of the key's sockets."""
MOST_STATUSES = 100
"""Such messages a second to all of the sockets of a key, however many there are."""
AWAY_PAUSE = 0.5
LISTENS_WITHIN = 5.0
"""Seconds that the first socket waits for; PostgreSQL may be just away."""
log = logging.getLogger("comfywire.service")


class Hub:
    """The sockets of one process: a context, whose end ends what it does for them.

    Args:
        database: Where jobs end.
        relay: Brings what ComfyUIs say.

    Attributes:
        quiet: Seconds after which a program that has its result, or has just come, is not about to send a
            prompt.

    """

    def __init__(self, database: Database, relay: Relay) -> None:
        self.relay = relay
        self.quiet = 10.0
        self._database = database
        self._ears: dict[UUID, dict[str, set[Ear]]] = {}
        self._ended: list[UUID] = []
        self._moved: set[UUID] = set()
        self._began: set[UUID] = set()
        self._asked_at: dict[UUID, float] = {}
        self._timers: dict[UUID, asyncio.TimerHandle] = {}
        self._status_due: dict[UUID, float] = {}
        self._checked_at: datetime | None = None
        self._has_news = asyncio.Event()
        self._has_gap = False
        self._listens = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for timer in self._timers.values():
            timer.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @contextlib.asynccontextmanager
    async def socket(self, key_id: UUID, client_id: str) -> AsyncIterator[Ear]:
        """Have a socket that is told, inside this context: greeted first, then how its jobs stand.

        Raises:
            psycopg.OperationalError: The database is away.

        """
        await self._begin()
        audience = Audience(key_id, client_id)
        ear = Ear(client_id, Outbox())
        remaining = await self._remaining(key_id)
        async with self.relay.socket(audience, ear.hear) as (socket, heard_until):
            ear.greet(remaining)
            clients = self._ears.setdefault(key_id, {})
            clients.setdefault(client_id, set()).add(ear)
            self._moved.add(key_id)  # what moved since it was counted was told to nobody
            self._has_news.set()
            try:
                self.relay.catch_up(audience, socket)
                if heard_until is not None:
                    await self._tell_missed(ear, audience, heard_until)
                yield ear
            finally:
                self._forget(key_id, client_id, ear)

    def note_question(self, key_id: UUID) -> None:
        """A program of a key asks: it may be one that asks again and again until its prompt has ended."""
        self._asked_at[key_id] = time.monotonic()

    async def is_waited_on(self, *, is_alone: bool = True) -> bool:
        """Whether a program waits here for a prompt of its own, or may be about to send one.

        Programs that open their socket once end with it: a process that stops holds these sockets until then.

        Args:
            is_alone: Whether no other process answers at this address: then programs that ask again and again
                wait here, too.

        """
        ears = [ear for clients in self._ears.values() for ears in clients.values() for ear in ears]
        since = time.monotonic() - self.quiet
        if any(ear.used_at > since or not ear.outbox.is_empty for ear in ears):
            return True
        audiences = [(key_id, client_id) for key_id, clients in self._ears.items() for client_id in clients]
        values = {
            "keys": [key_id for key_id, _ in audiences],
            "clients": [client_id for _, client_id in audiences],
            "asking": [key_id for key_id, at in self._asked_at.items() if at > since and is_alone],
            "quiet": self.quiet,
        }
        try:
            found = await self._database.one(SQL["is_waited_on"], **values)
        except AWAY:
            return bool(ears)  # nobody can know; the end, when it is known, should reach them
        return found is not None and bool(found["is_waited_on"])

    def _forget(self, key_id: UUID, client_id: str, ear: Ear) -> None:
        clients = self._ears[key_id]
        clients[client_id].discard(ear)
        if not clients[client_id]:
            del clients[client_id]
        if not clients:
            del self._ears[key_id]
            self._status_due.pop(key_id, None)
            self._began.discard(key_id)

    async def _begin(self) -> None:
        """Listen before anybody is greeted: what a program submits after that must not go unheard."""
        if not self._tasks:
            self._tasks = [
                self._task(self.relay.receive(), "mail"),
                self._task(self.relay.beat(), "beat"),
                self._task(self._database.listen([NATIVE], self._heard, self._missed), "news"),
                self._task(self._tell(), "ends"),
            ]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LISTENS_WITHIN):
                await self._listens.wait()

    def _task(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        return asyncio.create_task(work, name=f"comfywire sockets {name}")

    # What the database says

    def _heard(self, channel: str, payload: str) -> None:
        del channel
        word, key_id, job_id = payload.split()
        if (key := UUID(key_id)) not in self._ears:
            return
        if word == "ended":
            self._ended.append(UUID(job_id))
            self._has_news.set()
        if word == "began":
            self._began.add(key)
        if key not in self._timers:
            loop = asyncio.get_running_loop()
            at = max(self._status_due.get(key, 0.0), loop.time())
            self._timers[key] = loop.call_at(at, self._queue_moved, key)

    def _queue_moved(self, key_id: UUID) -> None:
        """It is told at once, and then now and then."""
        del self._timers[key_id]
        sockets = sum(map(len, self._ears.get(key_id, {}).values()))
        pause = max(STATUS_PAUSE, sockets / MOST_STATUSES)
        self._status_due[key_id] = asyncio.get_running_loop().time() + pause
        self._moved.add(key_id)
        self._has_news.set()

    def _missed(self) -> None:
        """The listening begins, or begins again: what was said before has to be read."""
        self._listens.set()
        self._has_gap = True
        self._moved.update(self._ears)
        self._has_news.set()

    async def _tell(self) -> None:
        """Tell what is new, for ever."""
        while True:
            await self._has_news.wait()
            self._has_news.clear()
            try:
                await self._tell_ends()
                await self._tell_queues()
            except AWAY:
                self._has_gap = True
                await asyncio.sleep(AWAY_PAUSE)
                self._has_news.set()
            except Exception:  # the edge of a task: nobody would be told anything any more
                log.exception("sockets could not be told what happened")
                await asyncio.sleep(AWAY_PAUSE)

    async def _tell_ends(self) -> None:
        if self._has_gap:
            self._has_gap = False
            self._ended += await self._ended_meanwhile()
        jobs, self._ended = self._ended, []
        if not jobs:
            return
        try:
            await self.relay.take_in()  # what was said before an end comes before it
            for row in await self._database.all(SQL["ended"], jobs=jobs):
                self._end(_ended_of(row))
        except AWAY:
            self._ended = jobs + self._ended
            raise

    async def _ended_meanwhile(self) -> list[UUID]:
        """The ends that no notification told, since the last look that nothing is missing from."""
        values = {"keys": list(self._ears), "since": self._checked_at}
        found = await self._database.all(SQL["ended_meanwhile"], **values)
        self._checked_at = found[0]["now"]
        return [row["id"] for row in found if row["id"] is not None]

    def _end(self, ended: EndedJob) -> None:
        for ear in list(self._ears.get(ended.key_id, {}).get(ended.client_id or "", ())):
            ear.end(ended)

    async def _tell_missed(self, ear: Ear, audience: Audience, since: datetime) -> None:
        values = {"key_id": audience.key_id, "client_id": audience.client_id, "since": since}
        for row in await self._database.all(SQL["missed"], **values, most=MOST_MISSED):
            ear.end(_ended_of(row))

    async def _tell_queues(self) -> None:
        """Tell the sockets of each key whose queue has moved how long it is.

        Also when a prompt has begun, which leaves it as long: editors read the queue after this message, and
        after no other (a ComfyUI sends one: execution.py, PromptQueue.get, 0.33.0).
        """
        while self._moved:
            key_id = self._moved.pop()
            if key_id in self._ears:
                has_begun = key_id in self._began
                self._began.discard(key_id)
                remaining = await self._remaining(key_id)
                for ear in [ear for ears in self._ears.get(key_id, {}).values() for ear in ears]:
                    ear.status(remaining, is_news=not has_begun)

    async def _remaining(self, key_id: UUID) -> int:
        found = await self._database.one(SQL["remaining"], key_id=key_id)
        return 0 if found is None else int(found["remaining"])


def _ended_of(row: Row) -> EndedJob:
    return EndedJob(
        job_id=row["id"],
        key_id=row["key_id"],
        client_id=row["client_id"],
        state=JobState(row["state"]),
        has_run=row["started_at"] is not None,
        error=row["error"],
        entry=row["entry"],
        remaining=row["remaining"],
    )
