"""What a worker may do to a job, and no worker before it."""

import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.service.making import NEED, claimed, job

from comfywire.service.jobs.claims import Claim, Fenced, KeptOutput
from comfywire.service.jobs.leases import Leases
from comfywire.service.jobs.records import Retry
from comfywire.service.jobs.states import JobState
from comfywire.service.jobs.store import Store

OUTPUT = KeptOutput(
    position=0,
    node_id="1",
    class_type="SaveImage",
    key="text",
    kind="text",
    name=None,
    bytes=None,
    value="words",
)
CHANGES: dict[str, Callable[[Leases, Claim], Awaitable[object]]] = {
    "will_submit": lambda leases, claim: leases.will_submit(claim.lease, "http://there"),
    "was_not_submitted": lambda leases, claim: leases.was_not_submitted(claim.lease),
    "state": lambda leases, claim: leases.state(claim.lease),
    "began": lambda leases, claim: leases.began(claim.lease),
    "progress": lambda leases, claim: leases.progress(claim.lease, {"value": 0.5}),
    "preview": lambda leases, claim: leases.preview(claim.lease, "1", "image/png", b"png"),
    "keep": lambda leases, claim: leases.keep(claim.lease, OUTPUT),
    "end": lambda leases, claim: leases.end(claim.lease, JobState.SUCCEEDED, "done"),
    "give_back": lambda leases, claim: leases.give_back(claim.lease, "lost"),
    "hand_back": lambda leases, claim: leases.hand_back(claim.lease, "it stops"),
}


@pytest.fixture
def leases(store: Store) -> Leases:
    return Leases(store, "worker")


async def submitted(store: Store, key_id: uuid.UUID) -> uuid.UUID:
    return (await store.submit(job(key_id))).id


async def everything(store: Store) -> list[list[dict[str, object]]]:
    tables = ["jobs", "transitions", "outputs", "previews", "procrastinate_jobs"]
    return [await store.database.all(f"SELECT * FROM {table} ORDER BY 1") for table in tables]


@pytest.mark.parametrize("name", CHANGES)
async def test_a_worker_that_was_frozen_changes_nothing_any_more(
    store: Store, key_id: uuid.UUID, leases: Leases, name: str
) -> None:
    await submitted(store, key_id)
    frozen = await claimed(store, leases)
    await store.queue.give_back_stalled(0)
    await claimed(store, Leases(store, "other"))
    before = await everything(store)

    with pytest.raises(Fenced):
        await CHANGES[name](leases, frozen)

    assert await everything(store) == before


@pytest.mark.parametrize("name", sorted(CHANGES.keys() - {"was_not_submitted"}))
async def test_a_worker_that_holds_a_job_may_change_it(
    store: Store, key_id: uuid.UUID, leases: Leases, name: str
) -> None:
    await submitted(store, key_id)
    claim = await claimed(store, leases)

    await CHANGES[name](leases, claim)


async def test_each_claim_is_another_attempt(store: Store, key_id: uuid.UUID, leases: Leases) -> None:
    await submitted(store, key_id)
    first = await claimed(store, leases)
    await store.queue.give_back_stalled(0)

    second = await claimed(store, leases)

    assert (first.lease.attempt, second.lease.attempt) == (1, 2)


async def test_a_claim_that_nobody_heard_the_answer_to_can_be_made_again(
    store: Store, key_id: uuid.UUID, leases: Leases
) -> None:
    await submitted(store, key_id)
    taken = await store.queue.take(NEED, await store.queue.register())
    assert taken is not None
    await leases.claim(taken)

    again = await leases.claim(taken)

    assert again is not None
    assert await leases.state(again.lease) is JobState.QUEUED


async def test_a_job_that_can_be_sent_at_once_is_claimed_and_written_down_for_its_server_when_it_is_taken(
    store: Store, key_id: uuid.UUID, leases: Leases
) -> None:
    job_id = await submitted(store, key_id)

    claim = await taken_for(store, leases, "http://there")

    assert claim is not None
    record = await store.get(job_id)
    assert record is not None
    assert (record.attempt, record.worker, record.server, record.submissions) == (
        1,
        "worker",
        "http://there",
        1,
    )
    assert record.submitted_at is not None
    assert claim.is_announced
    assert claim.job == record


@pytest.mark.parametrize(
    "why", ["it reads files", "it has a secret", "what is lost is not repeated", "it was sent before"]
)
async def test_a_job_of_which_more_is_to_be_known_is_claimed_and_not_written_down_yet(
    store: Store, key_id: uuid.UUID, leases: Leases, why: str
) -> None:
    fields: dict[str, Any] = {}
    if why == "it reads files":
        fields["inputs"] = [await new_asset(store, key_id)]
    elif why == "it has a secret":
        fields["secret"] = b"sealed"
    elif why == "what is lost is not repeated":
        fields["retry"] = Retry(lost=False)
    record = await store.submit(job(key_id, **fields))
    if why == "it was sent before":
        before = await claimed(store, leases)
        await leases.will_submit(before.lease, "http://here")
        await leases.hand_back(before.lease, "it stops")

    claim = await taken_for(store, leases, "http://there")

    assert claim is not None
    assert not claim.is_announced
    now = await store.get(record.id)
    assert now is not None
    assert now.server == ("http://here" if why == "it was sent before" else None)


async def test_a_job_whose_row_somebody_has_just_now_is_taken_without_waiting_and_claimed_later(
    store: Store, key_id: uuid.UUID, leases: Leases
) -> None:
    job_id = await submitted(store, key_id)
    async with store.database.transaction() as connection:
        await connection.execute("SELECT FROM jobs FOR UPDATE")
        taken = await store.queue.take(NEED, await store.queue.register(), "worker", "http://there")
    assert taken is not None
    assert taken.claimed is None

    claim = await leases.claim(taken)

    assert claim is not None
    assert (claim.job.id, claim.lease.attempt, claim.is_announced) == (job_id, 1, False)


async def taken_for(store: Store, leases: Leases, server: str) -> Claim | None:
    taken = await store.queue.take(NEED, await store.queue.register(), leases.worker, server)
    assert taken is not None
    assert taken.claimed is not None
    return await leases.claim(taken)


async def new_asset(store: Store, key_id: uuid.UUID) -> uuid.UUID:
    found = await store.database.one(
        "WITH blob AS (INSERT INTO blobs (hash, size_bytes) VALUES ('00', 1) RETURNING hash) "
        "INSERT INTO assets (key_id, hash, content_type) SELECT %(key_id)s, '00', 'image/png' FROM blob "
        "RETURNING id",
        key_id=key_id,
    )
    assert found is not None
    asset_id: uuid.UUID = found["id"]
    return asset_id


async def test_what_was_canceled_before_the_claim_is_gone_from_the_engine(
    store: Store, key_id: uuid.UUID, leases: Leases
) -> None:
    job_id = await submitted(store, key_id)
    taken = await store.queue.take(NEED, await store.queue.register())
    assert taken is not None
    await store.cancel(job_id)
    claim = await leases.claim(taken)
    assert claim is not None
    await leases.end(claim.lease, JobState.CANCELED, "as asked")

    assert await leases.claim(taken) is None
    assert await store.database.all("SELECT FROM procrastinate_jobs") == []


async def test_where_a_job_goes_is_known_before_it_is_sent(
    store: Store, key_id: uuid.UUID, leases: Leases
) -> None:
    job_id = await submitted(store, key_id)

    await leases.will_submit((await claimed(store, leases)).lease, "http://there")

    record = await store.get(job_id)
    assert record is not None
    assert (record.server, record.submissions) == ("http://there", 1)
    assert record.submitted_at is not None


async def test_what_certainly_did_not_arrive_costs_no_attempt(
    store: Store, key_id: uuid.UUID, leases: Leases
) -> None:
    job_id = await submitted(store, key_id)
    claim = await claimed(store, leases)
    await leases.will_submit(claim.lease, "http://there")

    await leases.was_not_submitted(claim.lease)

    record = await store.get(job_id)
    assert record is not None
    assert (record.submitted_at, record.submissions) == (None, 0)


async def test_a_job_that_is_handed_back_keeps_the_server_that_it_is_on(
    store: Store, key_id: uuid.UUID, leases: Leases
) -> None:
    await submitted(store, key_id)
    first = await claimed(store, leases)
    await leases.will_submit(first.lease, "http://there")
    await leases.began(first.lease)

    await leases.hand_back(first.lease, "it stops")

    second = await claimed(store, Leases(store, "other"))
    assert (second.job.server, second.job.state) == ("http://there", JobState.RUNNING)
    assert second.job.submitted_at is not None


async def test_a_job_that_is_given_back_begins_anew(store: Store, key_id: uuid.UUID, leases: Leases) -> None:
    job_id = await submitted(store, key_id)
    first = await claimed(store, leases)
    await leases.will_submit(first.lease, "http://there")
    await leases.began(first.lease)
    await leases.keep(first.lease, OUTPUT)

    assert await leases.give_back(first.lease, "lost")

    second = await claimed(store, leases)
    assert (second.job.server, second.job.submitted_at, second.job.state) == (None, None, JobState.QUEUED)
    assert second.job.submissions == 1
    assert await store.outputs(job_id) == []


async def test_a_job_that_is_given_back_for_later_is_not_taken_before(
    store: Store, key_id: uuid.UUID, leases: Leases
) -> None:
    await submitted(store, key_id)

    await leases.give_back((await claimed(store, leases)).lease, "refused", after=1000)

    assert await store.queue.heads([NEED]) == []
    assert await store.queue.take(NEED, await store.queue.register()) is None


async def test_a_job_that_is_being_canceled_is_not_given_back(
    store: Store, key_id: uuid.UUID, leases: Leases
) -> None:
    job_id = await submitted(store, key_id)
    claim = await claimed(store, leases)
    await store.cancel(job_id)

    assert not await leases.give_back(claim.lease, "lost")

    assert await leases.state(claim.lease) is JobState.CANCELING


async def test_a_job_that_is_being_canceled_does_not_begin(
    store: Store, key_id: uuid.UUID, leases: Leases
) -> None:
    job_id = await submitted(store, key_id)
    claim = await claimed(store, leases)
    await store.cancel(job_id)

    await leases.began(claim.lease)

    assert await leases.state(claim.lease) is JobState.CANCELING


async def test_the_successor_of_a_worker_that_died_while_it_kept_outputs_keeps_them(
    store: Store, key_id: uuid.UUID, leases: Leases
) -> None:
    job_id = await submitted(store, key_id)
    await leases.keep((await claimed(store, leases)).lease, OUTPUT)
    await store.queue.give_back_stalled(0)
    successor = await claimed(store, leases)

    await leases.keep(successor.lease, OUTPUT)

    assert [output.value for output in await store.outputs(job_id)] == ["words"]


async def test_an_output_whose_keeping_was_not_heard_of_can_be_kept_again(
    store: Store, key_id: uuid.UUID, leases: Leases
) -> None:
    job_id = await submitted(store, key_id)
    claim = await claimed(store, leases)
    await leases.keep(claim.lease, OUTPUT)
    (kept,) = await store.outputs(job_id)

    await leases.keep(claim.lease, OUTPUT)

    assert await store.outputs(job_id) == [kept]


async def test_an_end_whose_answer_was_not_heard_does_not_end_it_twice(
    store: Store, key_id: uuid.UUID, leases: Leases
) -> None:
    job_id = await submitted(store, key_id)
    claim = await claimed(store, leases)
    await leases.end(claim.lease, JobState.SUCCEEDED, "done")

    with pytest.raises(Fenced):
        await leases.end(claim.lease, JobState.SUCCEEDED, "done")

    ends = [row for row in await store.transitions(job_id) if row.to_state is JobState.SUCCEEDED]
    assert len(ends) == 1
