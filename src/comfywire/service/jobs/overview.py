"""The fleet and the queue, as people look at them and switch them; and why a job waits, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from comfywire.errors import ComfywireError
from comfywire.service.database.counted import counted
from comfywire.service.database.pool import Database, Row
from comfywire.service.fleet.demand import MOST_NEEDS, Demand, demand_of
from comfywire.service.fleet.registry import SILENT_AFTER
from comfywire.service.jobs.engine import BAND
from comfywire.service.jobs.placement import why_waiting
from comfywire.service.jobs.records import JobRecord
from comfywire.service.jobs.states import JobState
from comfywire.service.sql import queries

__all__ = [
    "Operating",
    "QueueRecord",
    "ServerRecord",
    "UnknownServer",
    "WaitingRecord",
    "WaitingRecords",
    "why",
]

SQL = queries("operating")
ESTIMATES = queries("estimates")
MOST_WAITING = 200


class UnknownServer(ComfywireError):
    """There is no such server."""

    code = "not_found"
    http_status = 404

    def __init__(self, url: str) -> None:
        super().__init__(f"no server {url[:200]!r} is known: GET /api/v2/servers lists them")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerRecord:
    """A ComfyUI, as the worker that looks after it last saw it."""

    url: str
    state: str
    wanted: str
    reason: str
    tags: list[str]
    version: str | None
    devices: list[Any]
    loaded: list[str]
    running: int
    pending: int
    foreign_prompts: int
    counts: dict[str, int]
    worker: str | None
    running_since: datetime | None
    seen_at: datetime
    changed_at: datetime
    is_heard: bool
    is_empty: bool
    is_added: bool
    is_removed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRecord:
    """All jobs that have not ended; those that wait, as they were counted at ``as_of``."""

    paused: bool
    queued: int
    running: int
    canceling: int
    oldest: datetime | None
    as_of: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingRecord:
    """Jobs of one key that wait at one priority."""

    priority: int
    key_id: UUID
    key_name: str
    count: int
    oldest: datetime
    is_held: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingRecords:
    """What waits, as it was at ``as_of``."""

    waiting: list[WaitingRecord]
    as_of: datetime


class Operating:
    """Looks at the fleet of one database, and switches it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def servers(self) -> list[ServerRecord]:
        """Return all servers, by URL."""
        answer = await self._database.all(SQL["servers"], silent_after=SILENT_AFTER)
        return [ServerRecord(**server) for server in answer]

    async def want(self, url: str, wanted: str) -> ServerRecord:
        """Have a server ``active``, ``paused`` or ``drained``; return it.

        Raises:
            UnknownServer: There is none of this URL.

        """
        if await self._database.one(SQL["want"], url=url, wanted=wanted) is None:
            raise UnknownServer(url)
        return await self.server(url)

    async def server(self, url: str) -> ServerRecord:
        """Return the server of a URL.

        Raises:
            UnknownServer: There is none.

        """
        found = next((server for server in await self.servers() if server.url == url), None)
        if found is None:
            raise UnknownServer(url)
        return found

    async def queue(self) -> QueueRecord:
        """Return what waits and runs."""
        queued = await counted(self._database, "queued", SQL["queued"])
        answer = await self._database.one(SQL["queue"])
        assert answer is not None
        return QueueRecord(**answer, queued=queued.rows[0]["count"], as_of=queued.as_of)

    async def demand(self) -> Demand:
        """Return what waits for servers, by what it needs of one."""
        waiting = await counted(self._database, "needs", ESTIMATES["waiting"], limit=MOST_NEEDS)
        return demand_of(waiting.rows, as_of=waiting.as_of)

    async def pause_queue(self, *, paused: bool) -> QueueRecord:
        """Let no job begin any more, on any server, or let them again."""
        await self._database.one(SQL["switch_queue"], paused=paused)
        return await self.queue()

    async def waiting(self) -> WaitingRecords:
        """Return what waits, by priority and key: the highest priority first, then what waits longest."""
        answer = await counted(self._database, "keys", SQL["waiting_by_key"], limit=MOST_WAITING)
        columns = [field.name for field in fields(WaitingRecord)]
        waiting = [WaitingRecord(**{name: row[name] for name in columns}) for row in answer.rows]
        return WaitingRecords(waiting=waiting, as_of=answer.as_of)

    async def to_front(self, key_id: UUID, priority: int) -> int:
        """Have what a key has waiting at a priority begin before anything else; return how many jobs that is.

        Those whose key may not run more at once stay where they are.
        """
        values = {"key_id": key_id, "priority": priority, "band": BAND}
        answer = await self._database.one(SQL["to_front"], **values)
        return 0 if answer is None else int(answer["count"])

    async def why_waiting(self, job: JobRecord) -> str | None:
        """Return in words why a job waits; None if it does not, or only for those before it."""
        if job.state != JobState.QUEUED:
            return None
        answer = await self._database.all(SQL["waiting"], need=job.need, silent_after=SILENT_AFTER)
        return why(job, answer)


def why(job: JobRecord, servers: Sequence[Row]) -> str | None:
    """Return in words why a job that is queued waits, of what each server says about its need. Pure."""
    if job.submitted_at is not None:
        return f"it waits in the queue of {job.server}"
    if job.queue_id is None:
        return "its key has as many jobs running as it may"
    if servers[0]["is_paused"]:
        return "the queue is paused"
    heard = [server for server in servers if server["is_heard"]]
    active = [server for server in heard if server["wanted"] == "active"]
    up = [server for server in active if server["state"] == "up"]
    if not up:
        return _nobody(heard, active)
    if all(server["reason"] for server in up):
        return f"no job is taken: {up[0]['reason']}"  # one that is up gives a reason only for that
    if any(server["reasons"] is None for server in up):
        return None  # one has not looked at it yet
    return why_waiting([server["reasons"] for server in up])


def _nobody(heard: Sequence[Row], active: Sequence[Row]) -> str:
    if not heard:
        return "no server is connected"
    if not active:
        return "every server is paused"
    told = [
        f"{server['url']} is {server['state']}: {server['reason'] or 'no reason is known'}"
        for server in active
    ]
    return "no server is up: " + "; ".join(told[:3]) + ("; ..." if len(told) > 3 else "")
