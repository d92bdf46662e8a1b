import asyncio
import uuid

import pytest
from tests.service.conftest import new_key
from tests.service.making import NEED, claimed, job

from comfywire.service.database.pool import Database
from comfywire.service.jobs.engine import NotRegistered, Queue
from comfywire.service.jobs.leases import Leases
from comfywire.service.jobs.store import Store


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


async def test_a_worker_that_was_taken_for_dead_gets_nothing_until_it_registers_anew(
    store: Store, key_id: uuid.UUID
) -> None:
    worker = await store.queue.register()
    await store.queue.give_back_stalled(0)
    await store.submit(job(key_id))

    assert not await store.queue.beat(worker)
    with pytest.raises(NotRegistered):
        await store.queue.take(NEED, worker)
    assert await store.queue.take(NEED, await store.queue.register()) is not None


async def test_what_a_worker_takes_while_it_is_taken_for_dead_is_not_lost(
    store: Store, key_id: uuid.UUID
) -> None:
    submitted = [(await store.submit(job(key_id))).id for _ in range(20)]
    worker = await store.queue.register()

    await asyncio.gather(
        *(store.queue.take(NEED, worker) for _ in range(20)),
        store.queue.give_back_stalled(0),
        return_exceptions=True,
    )
    await store.queue.give_back_stalled(0)

    assert sorted(await order_taken(store.queue)) == sorted(submitted)


async def test_jobs_that_many_workers_take_at_once_are_taken_once_each(
    store: Store, key_id: uuid.UUID
) -> None:
    submitted = [(await store.submit(job(key_id))).id for _ in range(30)]
    workers = [await store.queue.register() for _ in range(6)]

    async def take_all(worker: int) -> list[uuid.UUID]:
        taken = []
        while await store.queue.heads([NEED]):
            if (one := await store.queue.take(NEED, worker)) is not None:
                taken.append(one.job_id)
        return taken

    taken = await asyncio.gather(*map(take_all, workers))

    assert sorted(one for each in taken for one in each) == sorted(submitted)


async def test_the_heads_are_the_next_job_of_each_need_in_the_order_to_serve(
    store: Store, key_id: uuid.UUID
) -> None:
    await store.submit(job(key_id, need="low", priority=-1))
    await store.submit(job(key_id, need="first"))
    await store.submit(job(key_id, need="second"))
    await store.submit(job(key_id, need="high", priority=7))
    await store.submit(job(key_id, need="not asked for"))

    heads = await store.queue.heads(["low", "second", "high", "first", "none"])

    assert [(head.need, head.priority, head.round) for head in heads] == [
        ("high", 7, 1),
        ("first", 0, 1),
        ("second", 0, 2),
        ("low", -1, 1),
    ]


async def test_a_job_that_is_finished_is_gone(store: Store, key_id: uuid.UUID) -> None:
    record = await store.submit(job(key_id))
    assert record.queue_id is not None

    async with store.database.connection() as connection:
        await store.queue.finish(connection, record.queue_id)

    assert await store.queue.heads([NEED]) == []


async def test_what_a_worker_has_is_known(store: Store, key_id: uuid.UUID) -> None:
    await store.submit(job(key_id))
    worker = await store.queue.register()
    taken = await store.queue.take(NEED, worker)

    assert await store.queue.held_by(worker) == [taken]
    assert await store.queue.held_by(worker + 1) == []


async def test_what_a_worker_had_that_said_goodbye_is_given_back(store: Store, key_id: uuid.UUID) -> None:
    submitted = (await store.submit(job(key_id))).id
    worker = await store.queue.register()
    await store.queue.take(NEED, worker)

    await store.queue.unregister(worker)

    assert await store.queue.give_back_stalled(1000) == [submitted]


async def test_only_what_is_on_a_server_and_has_no_worker_is_taken_as_submitted(
    store: Store, key_id: uuid.UUID
) -> None:
    leases = Leases(store, "worker")
    for _ in range(3):
        await store.submit(job(key_id))
    handed_back, followed = await claimed(store, leases), await claimed(store, leases)
    for claim in (handed_back, followed):
        await leases.will_submit(claim.lease, "http://there")
    await leases.hand_back(handed_back.lease, "it stops")
    worker = await store.queue.register()

    taken = await store.queue.take_submitted(worker)

    assert taken is not None
    assert taken.job_id == handed_back.job.id
    assert await store.queue.take_submitted(worker) is None


async def test_that_a_worker_is_forgotten_is_said_to_those_who_share_out_its_servers(
    database: Database,
) -> None:
    queue = Queue(database)
    heard, ready = asyncio.Queue[str](), asyncio.Event()
    listening = database.listen(["comfywire_servers"], lambda _, said: heard.put_nowait(said), ready.set)
    task = asyncio.create_task(listening)
    await ready.wait()
    await queue.register("dead")
    await database.do("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 hour'")

    await queue.give_back_stalled(60.0)

    assert await heard.get() == ""
    task.cancel()
    await asyncio.wait([task])
