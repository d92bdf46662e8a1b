"""Jobs in the database, as the HTTP API sees them: recorded, looked up, canceled, retried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from comfywire.service.database.pool import Connection, Database, execute, row
from comfywire.service.jobs.admission import Admission
from comfywire.service.jobs.changes import change
from comfywire.service.jobs.columns import columns_of, native_columns_of
from comfywire.service.jobs.engine import BAND, Queue
from comfywire.service.jobs.headroom import SLACK, Headroom
from comfywire.service.jobs.listing import Wanted, fitting, relabel, search
from comfywire.service.jobs.overview import Operating
from comfywire.service.jobs.records import (
    NO_NEWS,
    JobLook,
    JobRecord,
    NewJob,
    OutputRecord,
    Transition,
)
from comfywire.service.jobs.states import (
    JobState,
    TransitionKind,
)
from comfywire.service.sql import queries

__all__ = ["Store"]

SQL = queries("jobs")
RETRIABLE = [JobState.FAILED, JobState.CANCELED, JobState.EXPIRED]


class Store:
    """The jobs of one database.

    Args:
        database: Holds the jobs.
        queue: The engine, which says which job is next.

    Attributes:
        admission: Which jobs of a key the engine gets, and when.

    """

    def __init__(self, database: Database, queue: Queue) -> None:
        self.database = database
        self.queue = queue
        self.admission = Admission(database, queue)
        self._headroom = Headroom()

    async def submit(self, job: NewJob, *, default_max_queued: int | None = None) -> JobRecord:
        """Record a job and queue it: when this returns, it survives whatever dies.

        Raises:
            QueueFull: Its key has too many waiting.
            psycopg.errors.UniqueViolation: There is a job of that id.

        """
        async with self.database.connection() as connection:
            return await self.submit_in(connection, job, default_max_queued=default_max_queued)

    async def submit_in(
        self, connection: Connection, job: NewJob, *, default_max_queued: int | None = None
    ) -> JobRecord:
        """Like :meth:`submit`, on the caller's connection, and in its transaction if there is one."""
        if job.native is None:
            return await self._submitted(connection, job, default_max_queued)
        async with connection.transaction():
            record = await self._submitted(connection, job, default_max_queued)
            added = await row(connection, SQL["add_native"], **native_columns_of(job.id, job.native))
        assert added is not None
        return replace(record, number=added["number"], node_errors=added["node_errors"])

    async def _submitted(
        self, connection: Connection, job: NewJob, default_max_queued: int | None
    ) -> JobRecord:
        columns = columns_of(job) | {"band": BAND, "most": default_max_queued, "slack": SLACK}
        has_room = self._headroom.take(job.key_id)
        answer = await row(connection, SQL["submit"], **columns, has_room=has_room, admitted=None)
        if answer is None:
            async with connection.transaction():
                is_admitted = await self.admission.may_queue(connection, job.key_id, default_max_queued)
                answer = await row(connection, SQL["submit"], **columns, has_room=False, admitted=is_admitted)
        assert answer is not None, "a job's key exists"
        if answer["spare"] is not None:
            self._headroom.counted(job.key_id, answer["spare"])
        return JobRecord.of(answer)

    async def get(self, job_id: UUID, key_id: UUID | None = None) -> JobRecord | None:
        """Return a job; None if there is none, or ``key_id`` is given and it is another key's."""
        answer = await self.database.one(SQL["get"], job_id=job_id, key_id=key_id)
        return None if answer is None else JobRecord.of(answer)

    async def graph(self, job_id: UUID) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """Return a job's prompt, and the editor's document if it has one."""
        answer = await self.database.one(SQL["graph"], job_id=job_id)
        return ({}, None) if answer is None else (answer["prompt"], answer["document"])

    async def look(
        self,
        job_id: UUID,
        key_id: UUID | None = None,
        *,
        after_transition: int = NO_NEWS,
        after_output: int = 0,
        with_inputs: bool = False,
    ) -> JobLook | None:
        """Return a job with what is new of it, of one moment; None as :meth:`get` has it.

        Args:
            job_id: Which job.
            key_id: Whose it has to be.
            after_transition: Changes of state up to this event are known; none is told if this is not given.
            after_output: Outputs up to this event are known, unless there is a new change of state.
            with_inputs: Whether to return what was set to what in its prompt, which may be large.

        """
        answer = await self.database.one(
            SQL["look"],
            job_id=job_id,
            key_id=key_id,
            after_transition=after_transition,
            after_output=after_output,
            inputs=with_inputs,
        )
        return None if answer is None else JobLook.of(answer)

    async def search(
        self,
        key_id: UUID | None = None,
        *,
        before: tuple[datetime, UUID] | None = None,
        limit: int = 50,
        **wanted: Any,
    ) -> list[JobRecord]:
        """Return jobs, newest first: as in ``listing.py``, with the attributes of its ``Wanted``."""
        return await search(self.database, key_id, Wanted(**wanted), before=before, limit=limit)

    async def fitting(self, jobs: Sequence[JobRecord], *, with_outputs: bool = False) -> Sequence[JobRecord]:
        """Return the first of ``jobs``, as many as one page of a list has room for: one at least."""
        return await fitting(self.database, jobs, with_outputs=with_outputs)

    async def relabel(self, job_id: UUID, changes: Mapping[str, str | None]) -> None:
        """Change these labels of a job, and no other; None takes one off."""
        await relabel(self.database, job_id, changes)

    async def outputs(self, job_id: UUID, *, after: int = 0) -> list[OutputRecord]:
        """Return what is kept of a job's outputs, those of later events than ``after`` only."""
        answer = await self.database.all(SQL["outputs"], job_id=job_id, after=after)
        return [OutputRecord(**output) for output in answer]

    async def outputs_of(self, jobs: Sequence[UUID]) -> dict[UUID, list[OutputRecord]]:
        """Return what is kept of the outputs of many jobs, by job; one without any is missing."""
        found: dict[UUID, list[OutputRecord]] = {}
        for answer in await self.database.all(SQL["outputs_of"], jobs=list(jobs)):
            found.setdefault(answer["job_id"], []).append(OutputRecord(**answer))
        return found

    async def inputs_of(self, jobs: Sequence[UUID]) -> dict[UUID, dict[str, Any] | None]:
        """Return what was set to what in the prompts of many jobs, by job."""
        answers = await self.database.all(SQL["inputs_of"], jobs=list(jobs))
        return {answer["id"]: answer["bound"] for answer in answers}

    async def short_inputs_of(
        self, jobs: Sequence[UUID], most: int
    ) -> dict[UUID, tuple[dict[str, Any] | None, bool]]:
        """Return the same for a list: None, and True, where it takes more than ``most`` bytes."""
        answers = await self.database.all(SQL["short_inputs_of"], jobs=list(jobs), most=most)
        return {answer["id"]: (answer["bound"], answer["is_left_out"]) for answer in answers}

    async def transitions(self, job_id: UUID, *, after: int = 0) -> list[Transition]:
        """Return a job's audit, oldest first."""
        answer = await self.database.all(SQL["transitions"], job_id=job_id, after=after)
        return [Transition.of(one) for one in answer]

    async def position(self, job: JobRecord) -> int | None:
        """Return how many jobs will be taken before this one (1,000 stands for more), None if it is taken."""
        return None if job.queue_id is None else await self.queue.waiting_ahead(job.queue_id)

    async def cancel(
        self,
        job_id: UUID,
        reason: str = "cancellation was asked for",
        *,
        if_waiting: bool = False,
        is_interrupt: bool = False,
    ) -> JobRecord | None:
        """Ask for a job's end; return it as it is then, which for a job that nobody has taken is its end.

        A job that has ended stays as it is, and with ``if_waiting`` one that runs, too. With ``is_interrupt``
        ComfyUI's own history tells of its end, even if it had not begun. None if there is none.
        """
        async with self.database.transaction() as connection:
            answer = await row(connection, SQL["get"] + " FOR UPDATE", job_id=job_id, key_id=None)
            if answer is None:
                return None
            job = JobRecord.of(answer)
            if job.state not in (JobState.QUEUED, JobState.RUNNING):
                return job
            if if_waiting and job.state is JobState.RUNNING:
                return job
            taken_back = job.queue_id is None or await self.queue.withdraw(connection, job.queue_id)
            # What was submitted is on a ComfyUI even while no worker has it: one must go and end it there.
            nowhere = taken_back and job.submitted_at is None
            to = JobState.CANCELED if nowhere else JobState.CANCELING
            changed = await change(connection, job_id, to, reason)
            if is_interrupt:
                await execute(connection, SQL["native_interrupted"], job_id=job_id)
            if taken_back and not nowhere:
                await self.admission.admit(connection, job_id, job.key_id, need=job.need, priority=20)
            await execute(connection, "SELECT pg_notify('comfywire_cancel', %(job_id)s)", job_id=str(job_id))
            if nowhere:
                await self.admission.admit_held(connection, job.key_id)
            return changed

    async def retry(self, job_id: UUID, *, default_max_queued: int | None = None) -> JobRecord | None:
        """Queue a job that ended badly once more, under its id; None if it did not, or is not there.

        Its secret is gone with its end, so a job that had one runs without. It may wait as long as it might
        at first, and is kept as long after its new end.

        Raises:
            QueueFull: Its key has too many waiting.

        """
        async with self.database.transaction() as connection:
            answer = await row(connection, SQL["get"] + " FOR UPDATE", job_id=job_id, key_id=None)
            if answer is None or answer["state"] not in RETRIABLE:
                return None
            is_admitted = await self.admission.may_queue(connection, answer["key_id"], default_max_queued)
            job = await change(
                connection,
                job_id,
                JobState.QUEUED,
                "somebody retries it",
                kind=TransitionKind.RETRIED,
                sources=RETRIABLE,
                afresh=True,
            )
            if job is None:
                return None
            await execute(connection, SQL["native_forget"], job_id=job_id)
            await execute(connection, SQL["forget_outputs"], job_id=job_id)
            if is_admitted:
                await self.admission.admit(
                    connection, job_id, job.key_id, need=job.need, priority=job.priority
                )
            return job

    async def expire_waiting(self) -> int:
        """End the jobs that have waited for longer than they may; return how many."""
        late = await self.database.all(SQL["waiting_too_long"])
        return sum([await self._expire(answer["id"]) for answer in late])

    async def _expire(self, job_id: UUID) -> bool:
        late = await self.get(job_id)
        why = None if late is None else await Operating(self.database).why_waiting(late)
        async with self.database.transaction() as connection:
            answer = await row(connection, SQL["get"] + " FOR UPDATE", job_id=job_id, key_id=None)
            if answer is None or answer["state"] != JobState.QUEUED or answer["submitted_at"] is not None:
                return False
            if answer["queue_id"] is not None and not await self.queue.withdraw(
                connection, answer["queue_id"]
            ):
                return False
            words = "no server took it in the time that it may wait"
            error = {"code": "expired", "message": words if why is None else f"{words}, since {why}"}
            return (
                await change(connection, job_id, JobState.EXPIRED, error["message"], error=error) is not None
            )
