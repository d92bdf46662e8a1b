"""Jobs on a ComfyUI that a worker does not reach: left to others for a time; lost with true words."""

from uuid import UUID

import pytest
from tests.service.making import NEED, job
from tests.service.rig import Rig, picture, runs_of, working

from comfywire.server import Server
from comfywire.service.fleet.registry import Registry
from comfywire.service.jobs.leases import Leases
from comfywire.service.jobs.records import JobRecord, Lease
from comfywire.service.jobs.states import JobState
from comfywire.service.jobs.store import Store

NOWHERE = "http://127.0.0.1:9"
DAY = 86400.0
PAST = "UPDATE transitions SET at = at - make_interval(secs => %(seconds)s)"
DUE = "UPDATE procrastinate_jobs SET scheduled_at = NULL"
WAIT = """
    SELECT EXTRACT(epoch FROM scheduled_at - (SELECT max(at) FROM transitions))::float8 AS seconds
      FROM procrastinate_jobs
"""
"""From when it was put off, not from when somebody asks, which a busy machine has done later."""


@pytest.fixture
def far(store: Store) -> Leases:
    """A worker that reaches nothing."""
    return Leases(store, "far")


async def taken(store: Store, leases: Leases) -> Lease:
    found = await store.queue.take(NEED, await store.queue.register())
    assert found is not None
    claim = await leases.claim(found)
    assert claim is not None
    return claim.lease


async def put_off_for(store: Store) -> float:
    found = await store.database.one(WAIT)
    assert found is not None
    return float(found["seconds"])


async def passes(store: Store, seconds: float) -> None:
    """So much time passes, and what was put off is due."""
    await store.database.do(PAST, seconds=seconds)
    await store.database.do(DUE)


async def on_a_server(rig: Rig, url: str) -> JobRecord:
    """A job that a worker was about to send there when it died."""
    record = await rig.submit(picture())
    dead = Leases(rig.store, "dead")
    found = await rig.store.queue.take(record.need, await rig.store.queue.register())
    assert found is not None
    claim = await dead.claim(found)
    assert claim is not None
    await dead.will_submit(claim.lease, url)
    return record


async def test_who_does_not_reach_a_server_asks_ever_less_often_and_not_beyond_the_patience(
    store: Store, key_id: UUID, far: Leases
) -> None:
    record = await store.submit(job(key_id))
    waited = []
    while await far.out_of_reach(await taken(store, far), NOWHERE, patience=DAY, pause=5.0):
        waited.append(await put_off_for(store))
        await passes(store, waited[-1])

    assert waited[0] == pytest.approx(5.0, abs=1.0)
    assert sum(waited) == pytest.approx(DAY, abs=60.0)
    assert len(await store.transitions(record.id)) < 40


async def test_a_server_that_was_reached_in_between_is_waited_for_as_long_again(
    store: Store, key_id: UUID, far: Leases
) -> None:
    await store.submit(job(key_id))
    near = Leases(store, "near")
    assert await far.out_of_reach(await taken(store, far), NOWHERE, patience=60.0, pause=5.0)
    await passes(store, 5.0)
    await near.hand_back(await taken(store, near), "its worker stops")
    await passes(store, 600.0)

    assert await far.out_of_reach(await taken(store, far), NOWHERE, patience=60.0, pause=5.0)
    assert await put_off_for(store) == pytest.approx(5.0, abs=1.0)


async def test_the_worker_that_looks_after_the_server_does_not_wait(
    store: Store, key_id: UUID, far: Leases
) -> None:
    await store.submit(job(key_id))
    await far.will_submit(lease := await taken(store, far), NOWHERE)
    await far.out_of_reach(lease, NOWHERE, patience=DAY, pause=600.0)
    number = await store.queue.register()
    insert = "INSERT INTO servers (url, worker, state) VALUES (%(url)s, 'near', 'up')"
    await store.database.do(insert, url=NOWHERE)

    assert await store.queue.take_submitted(number, "another", seconds=0.0) is None
    assert await store.queue.take_submitted(number, "near", seconds=0.0) is not None


async def test_but_it_waits_for_what_was_put_off_for_another_reason(
    store: Store, key_id: UUID, far: Leases
) -> None:
    await store.submit(job(key_id))
    await far.will_submit(lease := await taken(store, far), NOWHERE)
    await far.put_off(lease, "the disk is full")
    insert = "INSERT INTO servers (url, worker, state) VALUES (%(url)s, 'near', 'up')"
    await store.database.do(insert, url=NOWHERE)

    assert await store.queue.take_submitted(await store.queue.register(), "near", seconds=0.0) is None


async def test_a_job_that_is_lost_says_for_how_long_its_server_was_out_of_reach(rig: Rig) -> None:
    async with Server() as server:
        record = await on_a_server(rig, NOWHERE)
        async with working(rig.worker(server.url, stalled_after=0.5, server_patience=1.5)):
            ended = await rig.ended(record)

    steps = await rig.store.transitions(record.id)
    first = next(step for step in steps if "is out of reach of" in step.reason)
    lost = next(step for step in steps if step.reason.startswith("lost: "))
    assert (ended.state, ended.submissions) == (JobState.SUCCEEDED, 2)
    assert lost.reason == f"lost: {NOWHERE} was out of reach for 1.5 seconds"
    assert (lost.at - first.at).total_seconds() >= 1.5


async def test_what_was_on_a_server_that_is_gone_is_lost_at_once_and_the_server_forgotten(rig: Rig) -> None:
    registry = Registry(rig.database)
    await rig.database.do(
        "INSERT INTO servers (url, worker, state) VALUES (%(url)s, 'dead', 'up')", url=NOWHERE
    )
    async with Server() as server:
        record = await on_a_server(rig, NOWHERE)
        await registry.are_gone([NOWHERE])
        async with working(rig.worker(server.url, stalled_after=0.5, server_patience=3600.0)):
            ended = await rig.ended(record)
        await registry.tidy()

    assert (ended.state, ended.server, runs_of(server, ended)) == (JobState.SUCCEEDED, server.url, 1)
    assert not await rig.database.all("SELECT 1 FROM servers WHERE url = %(url)s", url=NOWHERE)
