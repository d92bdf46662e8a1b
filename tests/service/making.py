"""Jobs, and workers that have them, for the tests."""

import uuid
from collections.abc import AsyncIterator
from typing import Any

from comfywire.service.assets.assets import Assets
from comfywire.service.assets.records import AssetRecord
from comfywire.service.fleet.needs import need_of, requirement_of
from comfywire.service.jobs.changes import change
from comfywire.service.jobs.claims import Claim, KeptBytes, KeptOutput
from comfywire.service.jobs.leases import Leases
from comfywire.service.jobs.records import JobRecord, NewJob
from comfywire.service.jobs.states import JobState
from comfywire.service.jobs.store import Store

PROMPT = {"1": {"class_type": "EmptyImage", "inputs": {}}}
REQUIREMENT = requirement_of(PROMPT)
NEED = need_of(REQUIREMENT)

WAYS: dict[JobState, list[JobState]] = {
    JobState.QUEUED: [],
    JobState.RUNNING: [JobState.RUNNING],
    JobState.CANCELING: [JobState.CANCELING],
    JobState.SUCCEEDED: [JobState.RUNNING, JobState.SUCCEEDED],
    JobState.FAILED: [JobState.RUNNING, JobState.FAILED],
    JobState.CANCELED: [JobState.CANCELED],
    JobState.EXPIRED: [JobState.EXPIRED],
}
"""How a job that was submitted comes into each state."""


def job(key_id: uuid.UUID, **fields: Any) -> NewJob:
    given = {"id": uuid.uuid4(), "prompt": PROMPT, "need": NEED, "requirement": REQUIREMENT}
    return NewJob(key_id=key_id, **{**given, **fields})


async def job_in(store: Store, key_id: uuid.UUID, state: JobState, **fields: Any) -> JobRecord:
    """A job in ``state``, brought there as fast as the table allows."""
    submitted = record = await store.submit(job(key_id, **fields))
    for step in WAYS[state]:
        record = await changed(store, record.id, step)
    if record.is_over and submitted.queue_id is not None:
        async with store.database.connection() as connection:
            await store.queue.finish(connection, submitted.queue_id)
    return record


async def changed(store: Store, job_id: uuid.UUID, to: JobState) -> JobRecord:
    async with store.database.transaction() as connection:
        record = await change(connection, job_id, to, "a test wants it")
    assert record is not None
    return record


async def output(store: Store, assets: Assets, content: bytes) -> AssetRecord:
    """What the next job in the queue has made, kept."""
    leases = Leases(store, "worker")
    claim = await claimed(store, leases)
    await leases.keep(claim.lease, await picture(assets, content))
    (kept,) = await store.outputs(claim.job.id)
    assert kept.asset_id is not None
    asset = await assets.get(kept.asset_id)
    assert asset is not None
    return asset


async def picture(
    assets: Assets, content: bytes, *, position: int = 0, name: str = "a.png", **about: str
) -> KeptOutput:
    """An output whose bytes are shelved; ``kind`` and ``content_type`` may be said about it."""
    async with assets.staged(_once(content)) as staged:
        await assets.shelve(staged)
    kept = KeptBytes(staged.blob.hash, about.get("content_type", "image/png"), name)
    return KeptOutput(
        position=position, node_id="9", class_type="SaveImage", key="images", kind=about.get("kind", "image"),
        name=name, bytes=kept, value=None,
    )  # fmt: skip


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def claimed(store: Store, leases: Leases | None = None, need: str = NEED) -> Claim:
    """The next job in the queue, claimed by a worker."""
    taken = await store.queue.take(need, await store.queue.register())
    assert taken is not None
    claim = await (leases or Leases(store, "worker")).claim(taken)
    assert claim is not None
    return claim
