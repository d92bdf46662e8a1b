"""What a worker does to jobs in the database: claim, follow, end, give back. Fenced by the attempt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg.types.json import Jsonb

from comfywire.service.database.outage import patiently
from comfywire.service.database.pool import execute
from comfywire.service.database.storable import as_storable, as_text
from comfywire.service.jobs.changes import change, sources_of
from comfywire.service.jobs.claims import (
    NO_OUTPUT,
    Claim,
    Fenced,
    KeptOutput,
    columns_of_output,
    storable_text,
    storable_value,
)
from comfywire.service.jobs.engine import Taken
from comfywire.service.jobs.records import Lease
from comfywire.service.jobs.states import KIND_OF_STATE, OPEN, JobState, TransitionKind
from comfywire.service.jobs.store import Store
from comfywire.service.sql import queries

__all__ = ["PUT_OFF_FOR", "Leases"]

SQL = queries("jobs")
OPEN_STATES = [state.value for state in OPEN]
PUT_OFF_FOR = (2.0, 10.0, 30.0, 60.0, 120.0)
"""Seconds for which a job that cannot be seen to is left alone, time after time; then it fails."""
PROGRESS_APART = 5.0
"""Seconds between two webhooks of one job's progress."""


class Leases:
    """The jobs of one worker.

    Every method but :meth:`claim` raises Fenced when another worker has claimed the job since. All wait
    for as long as the database is away.
    """

    def __init__(self, store: Store, worker: str, *, put_off_for: tuple[float, ...] = PUT_OFF_FOR) -> None:
        self._store = store
        self._put_off_for = put_off_for
        self._database = store.database
        self._queue = store.queue
        self.worker = worker

    async def claim(self, taken: Taken) -> Claim | None:
        """Make a job that was taken from the engine this worker's; None if it is over already."""

        async def claim() -> Claim | None:
            values = {"job_id": taken.job_id, "queue_id": taken.queue_id, "worker": self.worker}
            answer = await self._database.one(SQL["claim"], **values, **{"from": OPEN_STATES})
            if answer is None:
                async with self._database.connection() as connection:
                    await self._queue.finish(connection, taken.queue_id)
                return None
            return Claim.of(taken, answer, self.worker)

        return (
            await patiently(claim) if taken.claimed is None else Claim.of(taken, taken.claimed, self.worker)
        )

    async def will_submit(self, lease: Lease, server: str) -> JobState:
        """Write down where the job is about to be sent; return its state, which may be canceling."""
        answer = await self._fenced(SQL["will_submit"], lease, server=server, open=OPEN_STATES)
        return JobState(answer["state"])

    async def was_not_submitted(self, lease: Lease) -> None:
        """Write down that the server certainly did not get the prompt."""
        await self._fenced(SQL["not_submitted"], lease)

    async def state(self, lease: Lease) -> JobState:
        """Return the job's state."""
        return JobState((await self._fenced(SQL["still_mine"], lease))["state"])

    async def running_for(self, lease: Lease) -> float:
        """Return how long ago it began to run, by the database's clock; 0 if nobody saw it begin."""
        return float((await self._fenced(SQL["running_for"], lease))["seconds"])

    async def began(self, lease: Lease) -> None:
        """Write down that a server runs the prompt. Nothing changes for a job that is being canceled."""
        values = {"job_id": lease.job_id, "attempt": lease.attempt}
        said = {"kind": KIND_OF_STATE[JobState.RUNNING].value, "reason": "a ComfyUI runs it"}
        if await patiently(lambda: self._database.one(SQL["began"], **values, **said)) is None:
            await self.state(lease)

    async def progress(self, lease: Lease, snapshot: Mapping[str, Any]) -> None:
        """Keep the latest progress."""
        kept = Jsonb(storable_value(lease, dict(snapshot)))
        values = {"progress": kept, "open": OPEN_STATES, "apart": PROGRESS_APART}
        await self._fenced(SQL["progress"], lease, **values)

    async def preview(self, lease: Lease, node_id: str, content_type: str, content: bytes) -> None:
        """Keep the latest preview."""
        picture = {"node_id": as_text(node_id), "content_type": content_type, "content": content}
        await self._fenced(SQL["preview"], lease, **picture)

    async def keep(self, lease: Lease, output: KeptOutput) -> None:
        """Record an output, and make an asset of its bytes, which are shelved."""
        await self._fenced(SQL["insert_output"], lease, **columns_of_output(lease, output))

    async def native_entry(self, lease: Lease, entry: Mapping[str, Any]) -> None:
        """Keep what the ComfyUI's history says of a job of ComfyUI's own API; before the job ends."""
        await self._fenced(SQL["native_entry"], lease, entry=Jsonb(as_storable(dict(entry))))

    async def end(
        self,
        lease: Lease,
        to: JobState,
        reason: str,
        *,
        error: Mapping[str, Any] | None = None,
        warnings: Sequence[str] | None = None,
        outputs_reused: bool | None = None,
        output: KeptOutput | None = None,
    ) -> None:
        """End the job in one statement: its state, the engine's entry, its webhook; and let others come.

        ``output`` is recorded in the same statement, as :meth:`keep` would before it.
        """
        ended = await self._fenced(
            SQL["end"],
            lease,
            to=to.value,
            change=KIND_OF_STATE[to].value,
            reason=storable_text(lease, reason),
            error=None if error is None else Jsonb(storable_value(lease, dict(error))),
            warnings=None if warnings is None else [storable_text(lease, warning) for warning in warnings],
            outputs_reused=outputs_reused,
            **(NO_OUTPUT if output is None else columns_of_output(lease, output)),
            **{"from": sources_of(to)},
        )
        if ended["key_is_limited"]:
            await patiently(lambda: self._store.admission.admit_held_of(ended["key_id"]))

    async def give_back(
        self,
        lease: Lease,
        reason: str,
        *,
        kind: TransitionKind = TransitionKind.GIVEN_BACK,
        after: float = 0.0,
        avoids: str | None = None,
        avoids_for: float = 0.0,
    ) -> bool:
        """Queue the job again; its outputs so far are forgotten.

        Args:
            lease: The claim on it.
            reason: Why, in words.
            kind: What that is called.
            after: Seconds from now.
            avoids: A server that is not to take it, since another one should.
            avoids_for: For how many seconds.

        Returns:
            False if it is being canceled: it has to end then.

        """

        async def give_back() -> bool:
            async with self._database.transaction() as connection:
                job = await change(
                    connection,
                    lease.job_id,
                    JobState.QUEUED,
                    storable_text(lease, reason),
                    kind=kind,
                    attempt=lease.attempt,
                    sources=[JobState.QUEUED, JobState.RUNNING],
                )
                if job is None:
                    return False
                await execute(connection, SQL["forget_outputs"], job_id=lease.job_id)
                await self._queue.give_back(
                    connection, lease.queue_id, after=after, avoids=avoids, avoids_for=avoids_for
                )
                return True

        if await patiently(give_back):
            return True
        await self.state(lease)
        return False

    async def hand_back(
        self,
        lease: Lease,
        reason: str,
        *,
        kind: TransitionKind = TransitionKind.HANDED_BACK,
        after: float = 0.0,
        suspect: bool = False,
    ) -> None:
        """Leave the prompt where it is, for another worker to take over, ``after`` seconds from now.

        Of a ``suspect`` for one that has no other job.
        """

        async def hand_back() -> bool:
            async with self._database.transaction() as connection:
                touched = await execute(
                    connection,
                    SQL["hand_back"],
                    job_id=lease.job_id,
                    attempt=lease.attempt,
                    worker=self.worker,
                    reason=storable_text(lease, reason),
                    kind=kind.value,
                    open=OPEN_STATES,
                )
                if touched:
                    await self._queue.give_back(connection, lease.queue_id, after=after, suspect=suspect)
                return bool(touched)

        if not await patiently(hand_back):
            raise Fenced

    async def put_off(self, lease: Lease, why: str, *, code: str = "internal_error") -> bool:
        """Hand the job back for a while, since it cannot be seen to now; longer each time.

        False if that did not help several times: it has failed then, since it must not go on for ever.
        """
        times = await self.times(lease, TransitionKind.PUT_OFF)
        if times < len(self._put_off_for):
            # The sentences stay as they are in this version: processes of the last one read them by LIKE.
            words, after = f"put off: {why}", self._put_off_for[times]
            await self.hand_back(lease, words, kind=TransitionKind.PUT_OFF, after=after)
            return True
        await self.end(lease, JobState.FAILED, why, error={"code": code, "message": why})
        return False

    async def out_of_reach(self, lease: Lease, url: str, *, patience: float, pause: float) -> bool:
        """Leave a job to those who reach its server; False when nobody has, for as long as ``patience``.

        Who does not is asked again after ``pause`` seconds, and then whenever twice the time has passed. The
        worker that looks after the server takes the job at any time (``take_submitted``).
        """
        values = {"job_id": lease.job_id, "attempt": lease.attempt}
        answer = await patiently(lambda: self._database.one(SQL["out_of_reach"], **values))
        seconds = 0.0 if answer is None else answer["seconds"]
        if seconds >= patience:
            return False
        after = min(max(seconds, pause), patience - seconds)
        words = f"{url} is out of reach of {self.worker}"
        await self.hand_back(lease, words, kind=TransitionKind.OUT_OF_REACH, after=after)
        return True

    async def times(self, lease: Lease, kind: TransitionKind) -> int:
        """Return how often such a change was made since the job was submitted or retried."""
        values = {"job_id": lease.job_id, "kind": kind.value}
        answer = await patiently(lambda: self._database.one(SQL["times"], **values))
        return 0 if answer is None else int(answer["count"])

    async def _fenced(self, query: str, lease: Lease, **values: Any) -> dict[str, Any]:
        answer = await patiently(
            lambda: self._database.one(query, job_id=lease.job_id, attempt=lease.attempt, **values)
        )
        if answer is None:
            raise Fenced
        return answer
