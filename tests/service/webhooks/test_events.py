"""What a job tells beside its end: that it has started, and how far it is."""

import json
import uuid
from collections.abc import Sequence
from typing import Any

import pytest
from tests.service.making import claimed, job
from tests.service.receiver import Receiver
from tests.service.webhooks.test_delivery import overdue, receiving, settings, webhooks

from comfywire.service.jobs.leases import Leases
from comfywire.service.jobs.records import Lease
from comfywire.service.jobs.states import JobState
from comfywire.service.jobs.store import Store
from comfywire.service.webhooks.delivery import Webhooks

__all__ = ["receiving", "settings", "webhooks"]
BOTH = ["job.started", "job.progress"]


async def taken(store: Store, key_id: uuid.UUID, url: str, events: Sequence[str]) -> tuple[Leases, Lease]:
    """A job that tells of ``events``, claimed by a worker."""
    await store.submit(job(key_id, webhook_url=url, webhook_events=events))
    leases = Leases(store, "worker")
    return leases, (await claimed(store, leases)).lease


def told(receiving: Receiver) -> list[tuple[str, Any]]:
    bodies = [json.loads(received.body) for received in receiving.received]
    return [(body["type"], (body["data"].get("progress") or {}).get("value")) for body in bodies]


async def later(store: Store, seconds: float) -> None:
    """Let everything that was told have been told so long ago, however long the test takes itself."""
    await store.database.do(
        "UPDATE deliveries SET created_at = now() - make_interval(secs => %(s)s)", s=seconds
    )


@pytest.mark.parametrize("events", [[], BOTH[:1], BOTH[1:], BOTH])
async def test_what_was_asked_for_is_told_and_the_end_always(
    webhooks: Webhooks,
    store: Store,
    key_id: uuid.UUID,
    receiving: Receiver,
    events: list[str],
) -> None:
    leases, lease = await taken(store, key_id, receiving.url, events)
    for step in (
        leases.began(lease),
        leases.progress(lease, {"value": 0.25}),
        leases.end(lease, JobState.SUCCEEDED, "a test ends it"),
    ):
        await step
        await webhooks.deliver_due()

    bodies = [json.loads(received.body) for received in receiving.received]
    assert [body["type"] for body in bodies] == [*events, "job.succeeded"]
    assert [body["data"]["status"] for body in bodies[:-1]] == ["running"] * len(events)
    assert {body["data"]["id"] for body in bodies} == {str(lease.job_id)}


async def test_of_progress_there_is_one_in_five_seconds_and_only_the_newest_is_kept(
    webhooks: Webhooks,
    store: Store,
    key_id: uuid.UUID,
    receiving: Receiver,
) -> None:
    leases, lease = await taken(store, key_id, receiving.url, BOTH[1:])
    await leases.began(lease)

    for seconds, value in ((0, 0.1), (0, 0.2), (1, 0.3), (5.1, 0.4)):
        await later(store, seconds)
        await leases.progress(lease, {"value": value})
        await webhooks.deliver_due()

    assert told(receiving) == [("job.progress", 0.1), ("job.progress", 0.4)]
    assert len(await webhooks.of_job(lease.job_id)) == 1
    assert len({received.headers["webhook-id"] for received in receiving.received}) == 2


async def test_progress_that_could_not_be_told_gives_way_to_newer_and_to_the_end(
    webhooks: Webhooks,
    store: Store,
    key_id: uuid.UUID,
    receiving: Receiver,
) -> None:
    receiving.answers = [500, 500, 204]
    leases, lease = await taken(store, key_id, receiving.url, BOTH[1:])
    await leases.began(lease)
    for value in (0.1, 0.5):
        await leases.progress(lease, {"value": value})
        await webhooks.deliver_due()
        await later(store, 6)
    await leases.end(lease, JobState.FAILED, "a test ends it", error={"code": "c", "message": "m"})

    await overdue(store)
    await webhooks.deliver_due()

    assert told(receiving) == [("job.progress", 0.1), ("job.progress", 0.5), ("job.failed", None)]


async def test_progress_that_waits_for_its_turn_is_the_newest_when_it_is_told(
    webhooks: Webhooks,
    store: Store,
    key_id: uuid.UUID,
    receiving: Receiver,
) -> None:
    leases, lease = await taken(store, key_id, receiving.url, BOTH[1:])
    await leases.began(lease)
    for value in (0.1, 0.2, 0.3):
        await leases.progress(lease, {"value": value})
        await later(store, 6)

    await webhooks.deliver_due()

    assert told(receiving) == [("job.progress", 0.3)]


async def test_progress_is_not_told_once_more(
    webhooks: Webhooks, store: Store, key_id: uuid.UUID, receiving: Receiver
) -> None:
    leases, lease = await taken(store, key_id, receiving.url, BOTH)
    await leases.began(lease)
    await leases.progress(lease, {"value": 0.1})
    await webhooks.deliver_due()
    (started, _) = await webhooks.of_job(lease.job_id)

    assert await webhooks.redeliver_since(started.created_at, key_id) == 1
    await webhooks.deliver_due()

    assert [what for what, _ in told(receiving)].count("job.progress") == 1
    assert [what for what, _ in told(receiving)].count("job.started") == 2
