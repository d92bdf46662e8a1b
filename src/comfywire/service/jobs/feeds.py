"""What happens to jobs, for any number of readers: one connection listens, one read serves all of a job.

Nothing is queued for a reader. A feed holds the job as it stands, and each reader how far it has read
(:mod:`.reader`). So a slow reader costs no memory, and catches up with what counts by then.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Self
from uuid import UUID

from comfywire.service.database.outage import AWAY
from comfywire.service.jobs.overview import Operating
from comfywire.service.jobs.records import JobRecord, OutputRecord, Transition
from comfywire.service.jobs.states import TERMINAL, JobState
from comfywire.service.jobs.store import Store
from comfywire.service.sql import queries

__all__ = ["Broker", "Feed", "Preview"]

JOBS, PREVIEWS = "comfywire_jobs", "comfywire_previews"
SQL = queries("jobs")
READS_AT_A_TIME = 3
"""Connections that feeds may use together: requests need the others."""
AWAY_PAUSE = 1.0
log = logging.getLogger("comfywire.service")


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The newest picture of a running job."""

    node_id: str
    content_type: str
    content: bytes
    at: datetime


class Feed:
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
    """The feeds of one process: a context, which listens from the first reader on, and ends them all."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._operating = Operating(store.database)
        self._feeds: dict[UUID, Feed] = {}
        self._slots = asyncio.Semaphore(READS_AT_A_TIME)
        self._listening: asyncio.Task[None] | None = None
        self._is_closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()
        tasks = [task for task in (self._listening, *(feed.reading for feed in self._feeds.values())) if task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def close(self) -> None:
        """End every reader, now and from now on: the process is about to stop, and waits for no stream."""
        self._is_closed = True
        for feed in self._feeds.values():
            feed.is_closed = True
            feed.tell()

    @contextlib.asynccontextmanager
    async def watch(self, job_id: UUID, *, previews: bool = False) -> AsyncIterator[Feed]:
        """Lend the feed of a job, as it stands now and then kept up to date.

        Raises:
            psycopg.OperationalError: The database is away.

        """
        if self._listening is None:
            listening = self.store.database.listen([JOBS, PREVIEWS], self._heard, self._missed)
            self._listening = asyncio.create_task(listening, name="comfywire broker")
        feed = self._feeds.setdefault(job_id, Feed(job_id))
        feed.is_closed = self._is_closed
        feed.readers += 1
        feed.preview_readers += previews
        try:
            if feed.job is None or (previews and feed.preview_readers == 1):
                await self._read(feed)
            yield feed
        finally:
            feed.readers -= 1
            feed.preview_readers -= previews
            if not feed.readers and self._feeds.get(job_id) is feed:
                del self._feeds[job_id]

    def look_again(self, feed: Feed, older_than: float) -> None:
        """Read a feed once more if that was longer ago: nothing says how a queue moves up."""
        if asyncio.get_running_loop().time() - feed.read_at > older_than:
            self._refresh(feed)

    def _heard(self, channel: str, payload: str) -> None:
        feed = self._feeds.get(UUID(payload))
        if feed is not None and (channel == JOBS or feed.preview_readers):
            self._refresh(feed)

    def _missed(self) -> None:
        for feed in self._feeds.values():
            self._refresh(feed)

    def _refresh(self, feed: Feed) -> None:
        feed.is_stale = True
        if feed.reading is None:
            feed.reading = asyncio.create_task(self._catch_up(feed), name=f"comfywire feed {feed.job_id}")

    async def _catch_up(self, feed: Feed) -> None:
        try:
            while feed.is_stale and feed.readers:
                try:
                    await self._read(feed)
                except AWAY:
                    feed.is_stale = True
                    await asyncio.sleep(AWAY_PAUSE)
                feed.tell()
        except Exception:  # the edge of a task: the next heartbeat of a reader reads again
            log.exception("the feed of job %s was not read", feed.job_id)
        finally:
            feed.reading = None

    async def _read(self, feed: Feed) -> None:
        """Read what is new: the job first, so that what is read after it is no older than its state."""
        # One read at a time: of two, the one that began first might end last, and undo what the other told.
        async with feed.turn, self._slots:
            feed.is_stale = False
            job = await self.store.get(feed.job_id)
            if job is None:
                feed.job, feed.is_closed = None, True
                return
            new = await self.store.transitions(job.id, after=feed.last_transition)
            if new and new[-1].to_state in TERMINAL and not job.is_over:
                # The job ended between the two reads: its last progress has to be told before its end.
                job = await self.store.get(feed.job_id) or job
            # After a transition all outputs are read again: those of an attempt that was lost are forgotten.
            outputs = {} if new else feed.outputs
            after = max((output.event_id for output in outputs.values()), default=0)
            new_outputs = await self.store.outputs(job.id, after=after)
            waits = job.worker is None and job.state is JobState.QUEUED
            feed.position = await self.store.position(job) if waits else None
            feed.waiting_reason = await self._operating.why_waiting(job)
            if feed.preview_readers:
                feed.preview = await self._last_preview(job.id)
            feed.transitions = [
                *feed.transitions,
                *(transition for transition in new if transition.event_id > feed.last_transition),
            ]
            feed.outputs = {**outputs, **{output.position: output for output in new_outputs}}
            feed.job = job
            feed.read_at = asyncio.get_running_loop().time()

    async def _last_preview(self, job_id: UUID) -> Preview | None:
        preview = await self.store.database.one(SQL["last_preview"], job_id=job_id)
        return None if preview is None else Preview(**preview)
