"""Jobs in a real database. What a worker does to them is in test_leases.py."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from tests.service.conftest import new_key
from tests.service.making import NEED, changed, claimed, job, job_in

from comfywire.service.database.pool import Database
from comfywire.service.jobs.admission import QueueFull
from comfywire.service.jobs.changes import change
from comfywire.service.jobs.engine import Queue
from comfywire.service.jobs.leases import Leases
from comfywire.service.jobs.states import TERMINAL, TRANSITIONS, IllegalTransition, JobState, must_be_legal
from comfywire.service.jobs.store import Store

FIRST = uuid.UUID(int=1)
LEGAL = [(before, after) for before, after in TRANSITIONS if before is not None]
ILLEGAL = [(one, other) for one in JobState for other in JobState if (one, other) not in TRANSITIONS]


def named(pair: tuple[JobState, JobState]) -> str:
    return f"{pair[0]}-to-{pair[1]}"


# The table of transitions


@pytest.mark.parametrize("pair", LEGAL, ids=named)
async def test_a_legal_change_is_made_with_a_row_that_says_so(
    store: Store, key_id: uuid.UUID, pair: tuple[JobState, JobState]
) -> None:
    record = await job_in(store, key_id, pair[0])

    await changed(store, record.id, pair[1])

    last = (await store.transitions(record.id))[-1]
    assert (last.from_state, last.to_state, last.reason) == (*pair, "a test wants it")


@pytest.mark.parametrize("pair", ILLEGAL, ids=named)
async def test_an_illegal_change_is_not_made(
    store: Store, key_id: uuid.UUID, pair: tuple[JobState, JobState]
) -> None:
    record = await job_in(store, key_id, pair[0])
    before = await store.transitions(record.id)

    async with store.database.transaction() as connection:
        refused = await change(connection, record.id, pair[1], "a mistake")

    assert refused is None
    assert await store.get(record.id) == record
    assert await store.transitions(record.id) == before


@pytest.mark.parametrize("pair", ILLEGAL, ids=named)
def test_code_that_asks_for_an_illegal_change_is_told(pair: tuple[JobState, JobState]) -> None:
    with pytest.raises(IllegalTransition, match=f"from {pair[0]} to {pair[1]}"):
        must_be_legal(*pair)


@pytest.mark.parametrize("state", list(JobState))
async def test_every_change_is_announced_to_those_who_listen(
    database: Database, store: Store, key_id: uuid.UUID, state: JobState
) -> None:
    heard = asyncio.Queue[tuple[str, str]]()
    ready = asyncio.Event()
    listening = asyncio.create_task(
        database.listen(["comfywire_jobs"], lambda *told: heard.put_nowait(told), ready.set)
    )
    await ready.wait()

    record = await job_in(store, key_id, state)
    await database.do("NOTIFY comfywire_jobs, 'no more'")

    told = [await heard.get()]
    while told[-1][1] != "no more":
        told.append(await heard.get())
    changes = len(await store.transitions(record.id)) - 1
    assert [payload for _, payload in told[:-1]] == [str(record.id)] * changes
    listening.cancel()
    await asyncio.wait([listening])


@pytest.mark.parametrize("state", list(JobState))
async def test_only_a_job_that_is_over_has_an_end(store: Store, key_id: uuid.UUID, state: JobState) -> None:
    record = await job_in(store, key_id, state)

    assert (record.completed_at is not None) == record.is_over == (state in TERMINAL)


@pytest.mark.parametrize("state", sorted(TERMINAL))
async def test_the_end_of_a_job_forgets_its_secret(store: Store, key_id: uuid.UUID, state: JobState) -> None:
    record = await job_in(store, key_id, state, secret=b"sealed")

    assert await store.database.one("SELECT secret FROM jobs WHERE id = %(id)s", id=record.id) == {
        "secret": None
    }


@pytest.mark.parametrize(("url", "types"), [("http://there/", ["job.failed"]), (None, [])])
async def test_the_end_of_a_job_is_delivered_to_its_webhook_if_it_has_one(
    store: Store, key_id: uuid.UUID, url: str | None, types: list[str]
) -> None:
    record = await job_in(store, key_id, JobState.FAILED, webhook_url=url)

    found = await store.database.all("SELECT type FROM deliveries WHERE job_id = %(id)s", id=record.id)
    assert [one["type"] for one in found] == types


async def test_an_ended_job_is_kept_for_as_long_as_it_was_to_be(store: Store, key_id: uuid.UUID) -> None:
    record = await job_in(store, key_id, JobState.SUCCEEDED, retention=100.0)

    assert record.completed_at is not None
    assert record.expires_at - record.completed_at == timedelta(seconds=100)


# Submitting


async def test_a_submitted_job_waits_in_the_engine(store: Store, key_id: uuid.UUID) -> None:
    record = await store.submit(job(key_id))

    taken = await store.queue.take(NEED, await store.queue.register())
    assert taken is not None
    assert (taken.job_id, taken.queue_id) == (record.id, record.queue_id)


async def test_a_submitted_job_is_found_as_it_was_given(store: Store, key_id: uuid.UUID) -> None:
    given = job(key_id, labels={"for": "me"}, priority=3, document={"nodes": []}, workflow_name="upscale")

    await store.submit(given)

    record = await store.get(given.id)
    assert record is not None
    assert (record.labels, record.priority, record.workflow_name) == ({"for": "me"}, 3, "upscale")
    assert await store.graph(given.id) == (given.prompt, given.document)


async def test_an_id_is_taken_once(store: Store, key_id: uuid.UUID) -> None:
    await store.submit(job(key_id, id=FIRST))

    with pytest.raises(psycopg.errors.UniqueViolation):
        await store.submit(job(key_id, id=FIRST))

    assert len(await store.search()) == 1


async def test_a_job_of_another_key_is_not_there(database: Database, store: Store, key_id: uuid.UUID) -> None:
    other = await new_key(database, "other")
    record = await store.submit(job(key_id))

    assert await store.get(record.id, other) is None
    assert await store.get(record.id, key_id) == record


# Limits


async def test_a_key_may_not_have_more_jobs_waiting_than_it_is_allowed(
    database: Database, store: Store
) -> None:
    key_id = await new_key(database, "one", max_queued=2)
    for _ in range(2):
        await store.submit(job(key_id))

    with pytest.raises(QueueFull, match="2 jobs of this key are waiting"):
        await store.submit(job(key_id))

    assert len(await store.search(key_id)) == 2


async def test_the_default_limit_is_for_keys_without_one(store: Store, key_id: uuid.UUID) -> None:
    await store.submit(job(key_id), default_max_queued=1)

    with pytest.raises(QueueFull):
        await store.submit(job(key_id), default_max_queued=1)


@pytest.mark.parametrize("most", [1, 4, 9, 300])
async def test_submissions_at_once_do_not_get_past_the_default_limit(
    store: Store, key_id: uuid.UUID, most: int
) -> None:
    async with Database(store.database.url, size=12) as wide:
        stores = [Store(wide, Queue(wide)) for _ in range(3)]
        await asyncio.gather(
            *(wide.one("SELECT pg_sleep(0.05)") for _ in range(12))
        )  # all connections are open
        room = asyncio.Semaphore(24)  # more wait than there are connections, and none longer than one may

        async def submit(n: int) -> object:
            async with room:
                return await stores[n % 3].submit(job(key_id), default_max_queued=most)

        results = await asyncio.gather(*map(submit, range(most + 12)), return_exceptions=True)

    assert sum(isinstance(one, QueueFull) for one in results) == 12
    assert len(await store.search(key_id, limit=1000)) == most


async def test_a_job_that_runs_makes_room_for_one_that_waits(database: Database, store: Store) -> None:
    key_id = await new_key(database, "one", max_queued=1)
    await job_in(store, key_id, JobState.RUNNING)

    assert await store.submit(job(key_id))


async def test_submissions_at_once_do_not_get_past_the_limit(database: Database, store: Store) -> None:
    key_id = await new_key(database, "one", max_queued=3)

    results = await asyncio.gather(*(store.submit(job(key_id)) for _ in range(8)), return_exceptions=True)

    assert sum(isinstance(one, QueueFull) for one in results) == 5
    assert len(await store.search(key_id)) == 3


async def held_and_admitted(store: Store) -> tuple[int, int]:
    records = await store.search(states=[JobState.QUEUED])
    return sum(one.queue_id is None for one in records), sum(one.queue_id is not None for one in records)


async def test_jobs_beyond_what_a_key_may_run_are_held_back(database: Database, store: Store) -> None:
    key_id = await new_key(database, "one", max_running=2)

    for _ in range(5):
        await store.submit(job(key_id))

    assert await held_and_admitted(store) == (3, 2)


async def test_the_end_of_a_job_lets_the_next_one_in_that_was_held_back(
    database: Database, store: Store
) -> None:
    key_id = await new_key(database, "one", max_running=1)
    await store.submit(job(key_id))
    later = await store.submit(job(key_id))
    urgent = await store.submit(job(key_id, priority=5))
    leases = Leases(store, "worker")

    await leases.end((await claimed(store, leases)).lease, JobState.SUCCEEDED, "done")

    assert (await claimed(store, leases)).job.id == urgent.id
    assert await held_and_admitted(store) == (1, 1)
    assert await store.position(later) is None


async def test_cancelling_a_job_lets_the_next_one_in_that_was_held_back(
    database: Database, store: Store
) -> None:
    key_id = await new_key(database, "one", max_running=1)
    first = await store.submit(job(key_id))
    second = await store.submit(job(key_id))

    await store.cancel(first.id)

    assert (await claimed(store)).job.id == second.id


async def test_a_job_that_is_held_back_can_be_canceled(database: Database, store: Store) -> None:
    key_id = await new_key(database, "one", max_running=1)
    await store.submit(job(key_id))
    held = await store.submit(job(key_id))

    canceled = await store.cancel(held.id)

    assert canceled is not None
    assert canceled.state is JobState.CANCELED
    assert await held_and_admitted(store) == (0, 1)


async def test_what_a_dead_worker_left_held_back_is_let_in(database: Database, store: Store) -> None:
    key_id = await new_key(database, "one", max_running=1)
    first = await store.submit(job(key_id))
    await store.submit(job(key_id))
    await changed(store, first.id, JobState.FAILED)  # and whoever did it died before the next was let in

    await store.admission.admit_all_held()

    assert await held_and_admitted(store) == (0, 1)


async def test_ends_at_once_let_in_no_more_than_may_run(database: Database, store: Store) -> None:
    key_id = await new_key(database, "one", max_running=4)
    for _ in range(12):
        await store.submit(job(key_id))
    leases = Leases(store, "worker")
    claims = [await claimed(store, leases) for _ in range(4)]

    await asyncio.gather(*(leases.end(one.lease, JobState.SUCCEEDED, "done") for one in claims))

    assert await held_and_admitted(store) == (4, 4)


# Cancelling


async def test_cancelling_what_nobody_has_taken_is_its_end(store: Store, key_id: uuid.UUID) -> None:
    record = await store.submit(job(key_id))

    canceled = await store.cancel(record.id)

    assert canceled is not None
    assert canceled.state is JobState.CANCELED
    assert await store.queue.take(NEED, await store.queue.register()) is None


async def test_cancelling_what_a_worker_has_asks_the_worker(
    database: Database, store: Store, key_id: uuid.UUID
) -> None:
    record = await store.submit(job(key_id))
    await claimed(store)
    heard, ready = asyncio.Queue[str](), asyncio.Event()
    listening = asyncio.create_task(
        database.listen(["comfywire_cancel"], lambda _, payload: heard.put_nowait(payload), ready.set)
    )
    await ready.wait()

    canceled = await store.cancel(record.id)

    assert canceled is not None
    assert canceled.state is JobState.CANCELING
    assert await heard.get() == str(record.id)
    listening.cancel()
    await asyncio.wait([listening])


async def test_cancelling_what_is_on_a_server_without_a_worker_sends_one_there_first(
    store: Store, key_id: uuid.UUID
) -> None:
    record = await store.submit(job(key_id))
    leases = Leases(store, "worker")
    claim = await claimed(store, leases)
    await leases.will_submit(claim.lease, "http://there")
    await leases.hand_back(claim.lease, "it stops")
    await store.submit(job(key_id, priority=19))

    canceled = await store.cancel(record.id)

    assert canceled is not None
    assert canceled.state is JobState.CANCELING
    assert (await claimed(store)).job.id == record.id


async def test_what_was_given_back_and_canceled_in_between_ends_once(store: Store, key_id: uuid.UUID) -> None:
    record = await store.submit(job(key_id))
    await store.queue.take(NEED, await store.queue.register())

    both = await asyncio.gather(store.cancel(record.id), store.queue.give_back_stalled(0))

    assert both[0] is not None
    last = await store.get(record.id)
    taken = await store.queue.take(NEED, await store.queue.register())
    claim = None if taken is None else await Leases(store, "other").claim(taken)
    assert last is not None
    assert (last.state is JobState.CANCELED) == (claim is None)


@pytest.mark.parametrize("state", sorted(TERMINAL))
async def test_cancelling_what_is_over_changes_nothing(
    store: Store, key_id: uuid.UUID, state: JobState
) -> None:
    record = await job_in(store, key_id, state)

    assert await store.cancel(record.id) == record


async def test_cancelling_what_is_not_there_says_so(store: Store) -> None:
    assert await store.cancel(FIRST) is None


# Retrying


@pytest.mark.parametrize("state", [JobState.FAILED, JobState.CANCELED, JobState.EXPIRED])
async def test_a_retried_job_is_queued_afresh(store: Store, key_id: uuid.UUID, state: JobState) -> None:
    record = await job_in(store, key_id, state)

    retried = await store.retry(record.id)

    claim = await claimed(store)
    assert retried is not None
    assert claim.job.id == record.id
    assert (claim.job.submissions, claim.job.error, claim.job.completed_at) == (0, None, None)


async def test_a_retried_job_has_no_outputs_of_its_first_try(store: Store, key_id: uuid.UUID) -> None:
    record = await job_in(store, key_id, JobState.FAILED)
    await store.database.do(
        "INSERT INTO outputs (job_id, position, node_id, key, kind) VALUES (%(id)s, 0, '1', 'text', 'text')",
        id=record.id,
    )

    await store.retry(record.id)

    assert await store.outputs(record.id) == []


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.RUNNING, JobState.CANCELING, JobState.SUCCEEDED])
async def test_what_did_not_end_badly_is_not_retried(
    store: Store, key_id: uuid.UUID, state: JobState
) -> None:
    record = await job_in(store, key_id, state)

    assert await store.retry(record.id) is None


async def test_a_job_is_queued_once_however_often_it_is_retried_at_once(
    store: Store, key_id: uuid.UUID
) -> None:
    record = await job_in(store, key_id, JobState.CANCELED)

    retried = await asyncio.gather(*(store.retry(record.id) for _ in range(5)))

    assert sum(one is not None for one in retried) == 1


# Expiring


async def test_a_job_that_waits_for_longer_than_it_may_expires(store: Store, key_id: uuid.UUID) -> None:
    late = await store.submit(job(key_id, queue_timeout=0))
    patient = await store.submit(job(key_id, queue_timeout=1000))
    endless = await store.submit(job(key_id))

    assert await store.expire_waiting() == 1

    states = [found.state for one in (late, patient, endless) if (found := await store.get(one.id))]
    assert states == [JobState.EXPIRED, JobState.QUEUED, JobState.QUEUED]


async def test_an_expired_job_says_why_nobody_took_it(store: Store, key_id: uuid.UUID) -> None:
    late = await store.submit(job(key_id, queue_timeout=0))

    await store.expire_waiting()

    expired = await store.get(late.id)
    assert expired is not None
    assert expired.error == {
        "code": "expired",
        "message": "no server took it in the time that it may wait, since no server is connected",
    }


async def test_an_expired_job_is_not_in_the_engine_any_more(store: Store, key_id: uuid.UUID) -> None:
    await store.submit(job(key_id, queue_timeout=0))
    await store.expire_waiting()

    assert await store.queue.take(NEED, await store.queue.register()) is None


async def test_a_job_that_a_worker_has_does_not_expire(store: Store, key_id: uuid.UUID) -> None:
    await store.submit(job(key_id, queue_timeout=0))
    await claimed(store)

    assert await store.expire_waiting() == 0


async def test_a_job_that_was_taken_and_not_claimed_yet_does_not_expire(
    store: Store, key_id: uuid.UUID
) -> None:
    await store.submit(job(key_id, queue_timeout=0))
    await store.queue.take(NEED, await store.queue.register())

    assert await store.expire_waiting() == 0


# Searching


async def test_jobs_are_found_newest_first(store: Store, key_id: uuid.UUID) -> None:
    ids = [(await store.submit(job(key_id))).id for _ in range(3)]

    assert [one.id for one in await store.search()] == ids[::-1]


async def test_pages_hold_every_job_once_even_those_of_one_moment(store: Store, key_id: uuid.UUID) -> None:
    ids = [(await store.submit(job(key_id))).id for _ in range(7)]
    await store.database.do("UPDATE jobs SET created_at = %(at)s", at=datetime(2026, 1, 1, tzinfo=UTC))

    first = await store.search(limit=3)
    second = await store.search(limit=3, before=(first[-1].created_at, first[-1].id))
    third = await store.search(limit=3, before=(second[-1].created_at, second[-1].id))

    pages = [[one.id for one in page] for page in (first, second, third)]
    assert [len(page) for page in pages] == [3, 3, 1]
    assert {one for page in pages for one in page} == set(ids)


async def test_jobs_are_found_by_all_of_their_labels(store: Store, key_id: uuid.UUID) -> None:
    both = await store.submit(job(key_id, labels={"a": "1", "b": "2"}))
    await store.submit(job(key_id, labels={"a": "1"}))

    assert [one.id for one in await store.search(labels={"a": "1", "b": "2"})] == [both.id]


async def test_jobs_are_found_by_their_states(store: Store, key_id: uuid.UUID) -> None:
    await store.submit(job(key_id))
    running = await job_in(store, key_id, JobState.RUNNING)
    failed = await job_in(store, key_id, JobState.FAILED)

    found = await store.search(states=[JobState.RUNNING, JobState.FAILED])

    assert [one.id for one in found] == [failed.id, running.id]


async def test_jobs_are_found_by_the_workflow_that_they_were_made_of(store: Store, key_id: uuid.UUID) -> None:
    await store.submit(job(key_id))
    made = await store.submit(job(key_id, workflow_name="upscale", workflow_version=2))

    assert [one.id for one in await store.search(workflow="upscale")] == [made.id]


async def test_a_key_finds_its_own_jobs_only(database: Database, store: Store, key_id: uuid.UUID) -> None:
    await store.submit(job(await new_key(database, "other")))
    own = await store.submit(job(key_id))

    assert [one.id for one in await store.search(key_id)] == [own.id]


# The place in the queue


async def test_a_job_knows_how_many_will_be_taken_before_it(store: Store, key_id: uuid.UUID) -> None:
    records = [await store.submit(job(key_id)) for _ in range(3)]
    urgent = await store.submit(job(key_id, priority=1))

    assert [await store.position(one) for one in (urgent, *records)] == [0, 1, 2, 3]
    assert [one.position for one in (urgent, *records)] == [0, 0, 1, 2]


async def test_a_job_that_is_held_back_has_no_place_in_the_queue(database: Database, store: Store) -> None:
    key_id = await new_key(database, "one", max_running=1)
    await store.submit(job(key_id))

    assert (await store.submit(job(key_id))).position is None


async def test_the_engine_keeps_no_diary_beside_ours(store: Store, key_id: uuid.UUID) -> None:
    await store.submit(job(key_id))
    await claimed(store)

    assert await store.database.all("SELECT FROM procrastinate_events") == []


async def test_a_job_that_is_taken_has_no_place_in_the_queue(store: Store, key_id: uuid.UUID) -> None:
    record = await store.submit(job(key_id))
    await store.queue.take(NEED, await store.queue.register())

    assert await store.position(record) is None


# Many at once


async def test_keys_that_submit_at_once_while_the_queue_is_emptied_do_not_stop_each_other(
    database: Database,
) -> None:
    keys = [await new_key(database, f"key {number}") for number in range(6)]
    async with Database(database.url, size=12) as wide:
        store = Store(wide, Queue(wide))
        worker = await store.queue.register()
        over = asyncio.Event()

        async def submit(key_id: uuid.UUID) -> None:
            for _ in range(40):
                await store.submit(job(key_id))

        async def drain() -> int:
            count = 0
            while not over.is_set() or await store.queue.heads([NEED]):
                count += await store.queue.take(NEED, worker) is not None
            return count

        draining = asyncio.create_task(drain())
        await asyncio.gather(*map(submit, keys))
        over.set()

        assert await draining == 240
