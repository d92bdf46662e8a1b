"""The queue's engine: Procrastinate. The only module that imports it.

The engine knows which job waits in which need's queue, in which order, and which worker has it. What becomes
of a job is in our own tables (store.py), written in the same transactions. Three gaps of the engine are
covered here: :meth:`Queue.give_back_stalled` gives back what a dead worker had; ``jobs.attempt`` fences a
worker that was frozen, which the engine does not; and the engine's locks, which poll, are not used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from procrastinate import sql as engine_sql
from procrastinate.schema import SchemaManager

from comfywire.service.database.pool import Connection, Database, Row, execute, row
from comfywire.service.sql import queries

__all__ = [
    "BAND",
    "CHANNEL",
    "WHOLE_SCHEMA",
    "Head",
    "NotRegistered",
    "Queue",
    "Taken",
    "migrations",
    "schema",
]

CHANNEL = "procrastinate_any_queue_v1"
"""Where PostgreSQL says that a job was queued, any job."""
WHOLE_SCHEMA = "procrastinate schema"
BAND = 100_000_000
"""How many rounds of the fair share fit between one priority and the next (int4 has room for 20 of them)."""


def schema() -> str:
    """Return the engine's schema, whole."""
    return SchemaManager.get_schema()


@cache
def migrations() -> dict[str, str]:
    """Return the engine's migrations by name, oldest first."""
    return {
        f"procrastinate {path.name}": path.read_text(encoding="utf-8")
        for path in sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql"))
    }


class NotRegistered(Exception):
    """The engine does not know this worker, or does not any more: it was taken for dead."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A job that a worker has taken from the queue.

    Attributes:
        queue_id: The engine's number.
        job_id: The job.
        need: The need in whose queue the job was.
        claimed: The job's row, if the worker claimed the job in the same statement.
        is_suspect: Whether workers have died of it, so that it is to run alone.

    """

    queue_id: int
    job_id: UUID
    need: str
    claimed: Row | None = field(default=None, compare=False, repr=False)
    is_suspect: bool = False


@dataclass(frozen=True, slots=True)
class Head:
    """The job that is next in the queue of one need.

    Attributes:
        need: Which.
        priority: The job's.
        round: Of its key's turns.
        avoids: The server that is not to take the job, since it had it and another one should.

    """

    need: str
    priority: int
    round: int
    avoids: str | None = None


class Queue:
    """The queue in one database. Methods that take a connection are part of the caller's transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = queries("queue")

    async def put(
        self, connection: Connection, job_id: UUID, key_id: UUID, *, need: str, priority: int
    ) -> int:
        """Queue a job and return the engine's number for it.

        Within a priority, keys take turns: a key's newest job stands one round after its last, or in the
        round that is being served, whichever is later. So one key's thousand jobs are a thousand rounds, and
        another's first is in the first of them.
        """
        answer = await row(
            connection,
            self._sql["put"],
            job_id=str(job_id),
            key_id=key_id,
            need=need,
            priority=priority,
            band=BAND,
        )
        assert answer is not None
        return int(answer["id"])

    async def heads(
        self, needs: Sequence[str], only: Mapping[str, str] | None = None, *, alone: bool = True
    ) -> list[Head]:
        """Return the next job of each of ``needs`` that has one, the first to serve first.

        Args:
            needs: Which.
            only: For each need that a single server could take now, which one that is.
            alone: Whether the worker has no other job, and may take one that workers have died of.

        """
        servers = [(only or {}).get(need) for need in needs]
        answer = await self._database.all(self._sql["heads"], needs=list(needs), only=servers, alone=alone)
        return [Head(head["queue_name"], *_decoded(head["priority"]), head["avoids"]) for head in answer]

    async def take(
        self,
        need: str,
        worker: int,
        name: str | None = None,
        server: str | None = None,
        *,
        alone: bool = True,
    ) -> Taken | None:
        """Take the next job of ``need``, for ``worker`` alone; None when somebody was faster.

        With the worker's name and a ComfyUI it is claimed, too (``Leases.claim``), where nobody else is at
        its row; and if it can be sent there at once, it is written down that it is about to be.

        Raises:
            NotRegistered: ``worker`` was taken for dead, and must register anew.

        """
        values = {"need": need, "worker": worker, "name": name, "server": server, "alone": alone}
        return await self._taken(self._sql["take"], **values)

    async def take_submitted(
        self, worker: int, name: str = "", *, seconds: float = 0.0, alone: bool = True
    ) -> Taken | None:
        """Take a job that is on a ComfyUI already and that no worker follows; None when there is none.

        Args:
            worker: For whom.
            name: What it is called.
            seconds: Within which a worker of another name has not spoken of the job's ComfyUI.
            alone: Whether the worker has no other job, and may take one that workers have died of.

        Raises:
            NotRegistered: ``worker`` was taken for dead, and must register anew.

        """
        values = {"worker": worker, "name": name, "seconds": seconds, "alone": alone}
        return await self._taken(self._sql["take_submitted"], **values)

    async def _taken(self, query: str, **values: Any) -> Taken | None:
        try:
            answer = await self._database.one(query, **values)
        except psycopg.errors.ForeignKeyViolation as error:
            raise NotRegistered from error
        if answer is None:
            return None
        claimed = answer if answer.get("id") is not None else None
        return Taken(
            answer["taken_id"],
            answer["job_id"],
            answer["queue_name"],
            claimed,
            is_suspect=answer["is_suspect"],
        )

    async def finish(self, connection: Connection, queue_id: int) -> None:
        """Forget a job that has ended; nothing happens if the engine has forgotten the job already."""
        await execute(connection, self._sql["finish"], queue_id=queue_id)

    async def give_back(
        self,
        connection: Connection,
        queue_id: int,
        *,
        after: float = 0.0,
        avoids: str | None = None,
        avoids_for: float = 0.0,
        suspect: bool = False,
    ) -> None:
        """Put a job that was taken back where it was, for any worker.

        Args:
            connection: The caller's.
            queue_id: Which job.
            after: Seconds from now.
            avoids: A server that is not to take it.
            avoids_for: For how many seconds: another one that could may never come.
            suspect: Whether it is for a worker that has no other job.

        """
        values = {"after": after, "avoids": avoids, "avoids_for": avoids_for, "suspect": suspect}
        await execute(connection, self._sql["give_back"], queue_id=queue_id, **values)

    async def withdraw(self, connection: Connection, queue_id: int) -> bool:
        """Remove a job that no worker has taken; return False if one has, and the job stays."""
        return await execute(connection, self._sql["withdraw"], queue_id=queue_id) > 0

    async def tidy(self) -> None:
        """Begin rounds anew where they have come far and nothing waits."""
        await self._database.do(self._sql["begin_rounds_anew"], band=BAND)

    async def waiting_ahead(self, queue_id: int) -> int | None:
        """Return how many jobs will be taken before this one, at most 1,000; None if it does not wait."""
        answer = await self._database.one(self._sql["waiting_ahead"], queue_id=queue_id)
        return None if answer is None else int(answer["ahead"])

    async def register(self, name: str | None = None) -> int:
        """Return a number for a worker that starts; it counts as alive while :meth:`beat` is called.

        Servers that were added are shared out among workers with a name (``AddedServers.claim``).
        """
        if name is None:
            answer = await self._database.one(engine_sql.queries["register_worker"])
        else:
            answer = await self._database.one(self._sql["register"], name=name)
        assert answer is not None
        return int(answer["worker_id"])

    async def has_suspect(self, needs: Sequence[str], name: str = "", *, seconds: float = 0.0) -> bool:
        """Whether a job waits that workers have died of, and that this worker could take if it had no other.

        Args:
            needs: Those that its servers meet.
            name: The worker's.
            seconds: As in :meth:`take_submitted`.

        """
        values = {"needs": list(needs), "name": name, "seconds": seconds}
        return await self._database.one(self._sql["has_suspect"], **values) is not None

    async def beat(self, worker: int) -> dict[int, float] | None:
        """Say that ``worker`` is alive; return when each worker was last heard of, by the database's clock.

        None if this one was taken for dead, and must register anew.
        """
        heard = await self._database.all(self._sql["beat"], worker=worker)
        is_known = any(one["is_mine"] for one in heard)
        return {one["id"]: one["heard_at"] for one in heard} if is_known else None

    async def spare(self, name: str) -> None:
        """Take back what jobs count as the death of this worker, which is alive after all."""
        await self._database.do(self._sql["spare"], name=name)

    async def held_by(self, worker: int) -> list[Taken]:
        """Return what the engine says that ``worker`` has."""
        answer = await self._database.all(self._sql["held_by"], worker=worker)
        return [Taken(job["id"], UUID(job["job_id"]), job["queue_name"]) for job in answer]

    async def unregister(self, worker: int) -> None:
        """Say that ``worker`` is gone; the jobs that it still had are given back as stalled."""
        await self._database.do(engine_sql.queries["unregister_worker"], worker_id=worker)

    async def give_back_stalled(self, seconds: float, silent: Sequence[int] | None = None) -> list[UUID]:
        """Give back the jobs of workers that are dead, and forget these workers; return the jobs.

        One statement locks and gives back: of two workers that do this at once, neither can give back a job
        that a third has taken in the meantime.

        Args:
            seconds: For how long a dead worker has not been heard of.
            silent: The only workers that may be dead; None for all.

        """
        values = {"seconds": seconds, "silent": None if silent is None else list(silent)}
        answer = await self._database.all(self._sql["give_back_stalled"], **values)
        return [job["job_id"] for job in answer]


def _decoded(encoded: int) -> tuple[int, int]:
    """The engine orders by one number: priority x BAND - round."""
    priority = -(-encoded // BAND)
    return priority, priority * BAND - encoded
