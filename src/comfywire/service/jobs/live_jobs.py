"""What happens to jobs, for any number of readers: one connection listens, one read serves all of a job.

Nothing is queued for a reader. A live job holds the job as it stands, and each reader how far it has read
(:mod:`.reader`). So a slow reader costs no memory, and catches up with what counts by then.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Self
from uuid import UUID

from comfywire.service.database.outage import AWAY
from comfywire.service.jobs.overview import Operating
from comfywire.service.jobs.records import JobRecord, OutputRecord, Transition
from comfywire.service.jobs.states import JobState
from comfywire.service.jobs.store import Store
from comfywire.service.sql import queries

__all__ = ["Broker", "LiveJob", "Preview"]

JOBS, PREVIEWS = "comfywire_jobs", "comfywire_previews"
SQL = queries("jobs")
READS_AT_A_TIME = 3
"""Connections that live jobs may use together: requests need the others."""
AWAY_PAUSE = 1.0
log = logging.getLogger("comfywire.service")


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The newest picture of a running job."""

    node_id: str
    content_type: str
    content: bytes
    at: datetime


class LiveJob:
    """One job, kept up to date while somebody reads it.

    Attributes:
        job: The job as it stands; None when the job was removed.
        transitions: All changes of the job's state, oldest first.
        outputs: The job's outputs that are kept, by position.
        position: How many jobs are taken before this one.
        waiting_reason: Why the job waits, in words; None if it does not wait, or only for the jobs before it.
        preview: The newest picture, if a reader wants pictures.
        is_closed: Whether nothing more will come.

    """

    def __init__(self, job_id: UUID) -> None:
        self.job_id = job_id
        self.job: JobRecord | None = None
        self.transitions: list[Transition] = []
        self.outputs: dict[int, OutputRecord] = {}
        self.position: int | None = None
        self.waiting_reason: str | None = None
        self.preview: Preview | None = None
        self.is_closed = False
        self.readers = 0
        self.preview_readers = 0
        self.is_stale = True
        self.reading: asyncio.Task[None] | None = None
        self.read_at = float("-inf")
        self.turn = asyncio.Lock()
        self._changed = asyncio.Event()

    def next_change(self) -> asyncio.Event:
        """Return the event that the next change sets. Get it before you look, lest one falls in between."""
        return self._changed

    async def changed(self, change: asyncio.Event, timeout: float) -> bool:
        """Wait for ``change``; False if it has not come after ``timeout`` seconds."""
        try:
            async with asyncio.timeout(timeout):
                await change.wait()
        except TimeoutError:
            return False
        return True

    def tell(self) -> None:
        """Wake every reader that waits now; those that come later wait for the next change."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    @property
    def last_transition(self) -> int:
        """The event id of the newest change of state."""
        return self.transitions[-1].event_id if self.transitions else 0


class Broker:
    """The live jobs of one process: a context, which listens from the first reader on, and ends them all."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._operating = Operating(store.database)
        self._live_jobs: dict[UUID, LiveJob] = {}
        self._slots = asyncio.Semaphore(READS_AT_A_TIME)
        self._listening: asyncio.Task[None] | None = None
        self._is_closed = False
        self._on_close: list[Callable[[], None]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()
        tasks = [
            task for task in (self._listening, *(live.reading for live in self._live_jobs.values())) if task
        ]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def close(self) -> None:
        """End every reader, now and from now on: the process is about to stop, and waits for no stream."""
        self._is_closed = True
        for live in self._live_jobs.values():
            live.is_closed = True
            live.tell()
        for end in self._on_close:
            end()

    def on_close(self, end: Callable[[], None]) -> None:
        """Have ``end`` called as well when every reader is to end: it ends streams that read no job.

        Where they are to end already it is called at once.
        """
        self._on_close.append(end)
        if self._is_closed:
            end()

    @contextlib.asynccontextmanager
    async def watch(self, job_id: UUID, *, previews: bool = False) -> AsyncIterator[LiveJob]:
        """Lend a job, as it stands now and then kept up to date.

        Raises:
            psycopg.OperationalError: The database is away.

        """
        if self._listening is None:
            listening = self.store.database.listen([JOBS, PREVIEWS], self._heard, self._missed)
            self._listening = asyncio.create_task(listening, name="comfywire broker")
        live = self._live_jobs.setdefault(job_id, LiveJob(job_id))
        live.is_closed = self._is_closed
        live.readers += 1
        live.preview_readers += previews
        try:
            if live.job is None or (previews and live.preview_readers == 1):
                await self._read(live)
            yield live
        finally:
            live.readers -= 1
            live.preview_readers -= previews
            if not live.readers and self._live_jobs.get(job_id) is live:
                del self._live_jobs[job_id]

    def look_again(self, live: LiveJob, older_than: float) -> None:
        """Read a live job once more if that was longer ago: nothing says how a queue moves up."""
        if asyncio.get_running_loop().time() - live.read_at > older_than:
            self._refresh(live)

    def _heard(self, channel: str, payload: str) -> None:
        live = self._live_jobs.get(UUID(payload))
        if live is not None and (channel == JOBS or live.preview_readers):
            self._refresh(live)

    def _missed(self) -> None:
        for live in self._live_jobs.values():
            self._refresh(live)

    def _refresh(self, live: LiveJob) -> None:
        live.is_stale = True
        if live.reading is None:
            live.reading = asyncio.create_task(self._catch_up(live), name=f"comfywire feed {live.job_id}")

    async def _catch_up(self, live: LiveJob) -> None:
        try:
            while live.is_stale and live.readers:
                try:
                    await self._read(live)
                except AWAY:
                    live.is_stale = True
                    await asyncio.sleep(AWAY_PAUSE)
                live.tell()
        except Exception:  # the edge of a task: the next heartbeat of a reader reads again
            log.exception("the feed of job %s was not read", live.job_id)
        finally:
            live.reading = None

    async def _read(self, live: LiveJob) -> None:
        """Read what is new."""
        # One read at a time: of two, the one that began first might end last, and undo what the other told.
        async with live.turn, self._slots:
            live.is_stale = False
            look = await self.store.look(
                live.job_id,
                after_transition=live.last_transition,
                after_output=max((output.event_id for output in live.outputs.values()), default=0),
            )
            if look is None:
                live.job, live.is_closed = None, True
                return
            job = look.job
            waits = job.worker is None and job.state is JobState.QUEUED
            live.position = await self.store.position(job) if waits else None
            live.waiting_reason = await self._operating.why_waiting(job)
            if live.preview_readers:
                live.preview = await self._last_preview(job.id)
            known = {} if look.transitions else live.outputs
            live.transitions = [*live.transitions, *look.transitions]
            live.outputs = {**known, **{output.position: output for output in look.outputs}}
            live.job = job
            live.read_at = asyncio.get_running_loop().time()

    async def _last_preview(self, job_id: UUID) -> Preview | None:
        preview = await self.store.database.one(SQL["last_preview"], job_id=job_id)
        return None if preview is None else Preview(**preview)
