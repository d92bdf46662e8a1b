"""Retried jobs begin anew in everything; jobs expire, and needs are forgotten, when nothing comes of them."""

import asyncio
import uuid
from datetime import UTC, datetime

import pytest
from tests.service.conftest import new_key
from tests.service.making import NEED, claimed, job, job_in

from comfywire.service.database.pool import Database
from comfywire.service.fleet.registry import Registry
from comfywire.service.jobs.admission import QueueFull
from comfywire.service.jobs.leases import Leases
from comfywire.service.jobs.states import JobState
from comfywire.service.jobs.store import Store


async def test_a_retried_job_may_wait_as_long_as_at_first(store: Store, key_id: uuid.UUID) -> None:
    record = await store.submit(job(key_id, queue_timeout=60.0))
    late = "UPDATE jobs SET queue_until = now() - interval '1 s' WHERE id = %(id)s"
    for _ in range(2):
        await store.database.do(late, id=record.id)
        assert await store.expire_waiting() == 1
        await store.retry(record.id)

    again = await store.get(record.id)
    assert again is not None
    assert again.queue_until is not None
    assert 50 < (again.queue_until - datetime.now(UTC)).total_seconds() <= 60


async def test_a_retried_job_is_kept_no_longer_than_one_that_was_not(store: Store, key_id: uuid.UUID) -> None:
    record = await store.submit(job(key_id, retention=1000.0))
    past = "UPDATE jobs SET created_at = now() - interval '600 s', expires_at = now() + interval '400 s'"
    await store.database.do(past)
    for _ in range(3):
        await store.cancel(record.id)
        await store.retry(record.id)
    await store.cancel(record.id)

    ended = await store.get(record.id)
    assert ended is not None
    assert ended.completed_at is not None
    assert (ended.expires_at - ended.completed_at).total_seconds() == pytest.approx(1000, abs=1)


async def test_a_retry_gets_no_key_past_what_it_may_run(database: Database, store: Store) -> None:
    key_id = await new_key(database, "one at a time", max_running=1)
    first = await store.submit(job(key_id))
    await store.cancel(first.id)
    await store.submit(job(key_id))

    await store.retry(first.id)

    retried = await store.get(first.id)
    assert retried is not None
    assert (retried.state, retried.queue_id) == (JobState.QUEUED, None)


async def test_a_retry_gets_no_key_past_what_may_wait(store: Store, key_id: uuid.UUID) -> None:
    record = await job_in(store, key_id, JobState.FAILED)
    await store.submit(job(key_id))

    with pytest.raises(QueueFull):
        await store.retry(record.id, default_max_queued=1)


async def test_a_retried_job_tells_nothing_of_its_first_try(store: Store, key_id: uuid.UUID) -> None:
    record = await store.submit(job(key_id))
    said = "UPDATE jobs SET warnings = '{old}', outputs_reused = true, progress = '{}', progress_event = 1"
    await store.database.do(said)
    await store.cancel(record.id)

    retried = await store.retry(record.id)

    assert retried is not None
    assert (retried.warnings, retried.outputs_reused, retried.progress) == ([], None, None)


async def test_a_job_that_is_on_a_server_without_a_worker_does_not_expire(
    store: Store, key_id: uuid.UUID
) -> None:
    await store.submit(job(key_id, queue_timeout=0.0))
    leases = Leases(store, "worker")
    claim = await claimed(store, leases)
    await leases.will_submit(claim.lease, "http://there")
    await leases.hand_back(claim.lease, "it stops")

    assert await store.expire_waiting() == 0


async def test_a_job_whose_worker_died_before_it_was_sent_expires(store: Store, key_id: uuid.UUID) -> None:
    await store.submit(job(key_id, queue_timeout=0.0))
    await claimed(store)
    await store.queue.give_back_stalled(0)

    assert await store.expire_waiting() == 1


async def test_a_need_is_there_for_as_long_as_jobs_that_may_be_retried(
    store: Store, key_id: uuid.UUID
) -> None:
    await job_in(store, key_id, JobState.FAILED)
    await store.database.do("UPDATE needs SET created_at = now() - interval '2 hours'")

    await Registry(store.database).tidy()

    assert NEED in await Registry(store.database).needs()


async def test_a_need_is_not_forgotten_while_a_job_of_it_is_being_submitted(
    store: Store, key_id: uuid.UUID
) -> None:
    await store.database.do(
        "INSERT INTO needs VALUES (%(need)s, '{}', now() - interval '2 hours')", need=NEED
    )
    async with store.database.transaction() as connection:
        await store.submit_in(connection, job(key_id))
        tidying = asyncio.create_task(Registry(store.database).tidy())
        await asyncio.wait([tidying], timeout=0.2)
    await tidying

    assert NEED in await Registry(store.database).needs()
