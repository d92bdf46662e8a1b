import uuid

import pytest

from comfywire.service.database import Database
from comfywire.service.queue import Queue
from comfywire.service.store import Store

from .conftest import new_key
from .making import NEED, job


async def order_taken(queue: Queue) -> list[uuid.UUID]:
    worker = await queue.register()
    taken = []
    while (one := await queue.take(NEED, worker)) is not None:
        taken.append(one.job_id)
    return taken


async def test_one_key_with_many_jobs_does_not_starve_another_with_one(
    database: Database, store: Store
) -> None:
    many, few = await new_key(database, "many"), await new_key(database, "few")
    first, *_ = [(await store.submit(job(many))).id for _ in range(50)]
    single = (await store.submit(job(few))).id

    taken = await order_taken(store.queue)

    assert taken[:2] == [first, single]


async def test_a_higher_priority_overtakes_every_lower_one(store: Store, key_id: uuid.UUID) -> None:
    low = (await store.submit(job(key_id, priority=-20))).id
    middle = (await store.submit(job(key_id))).id
    high = (await store.submit(job(key_id, priority=20))).id

    assert await order_taken(store.queue) == [high, middle, low]


async def test_a_key_that_had_many_jobs_is_not_held_back_once_they_are_done(
    database: Database, store: Store
) -> None:
    many, other = await new_key(database, "many"), await new_key(database, "other")
    for _ in range(20):
        await store.submit(job(many))
    await order_taken(store.queue)

    others = [(await store.submit(job(other))).id for _ in range(3)]
    mine = (await store.submit(job(many))).id

    assert (await order_taken(store.queue)).index(mine) <= 1, others


async def test_what_a_dead_worker_had_is_given_back_once(store: Store, key_id: uuid.UUID) -> None:
    submitted = (await store.submit(job(key_id))).id
    await store.queue.take(NEED, await store.queue.register())

    assert await store.queue.give_back_stalled(0) == [submitted]
    assert await store.queue.give_back_stalled(0) == []
    assert await order_taken(store.queue) == [submitted]


@pytest.mark.parametrize("seconds", [30])
async def test_what_a_living_worker_has_stays_with_it(
    store: Store, key_id: uuid.UUID, seconds: float
) -> None:
    await store.submit(job(key_id))
    await store.queue.take(NEED, await store.queue.register())

    assert await store.queue.give_back_stalled(seconds) == []
