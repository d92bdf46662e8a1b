"""Jobs that take their worker or their ComfyUI along harm the others once or twice, and not for ever."""

from functools import partial
from uuid import UUID

import pytest
from tests.service.database_link import DatabaseLink
from tests.service.making import NEED, claimed, job
from tests.service.rig import Rig, picture, runs_of, until, up, working

from comfywire.client import Client
from comfywire.server import Faults, Server
from comfywire.server.faults.rules import Rule
from comfywire.service.database.pool import Database
from comfywire.service.fleet.needs import need_of, requirement_of
from comfywire.service.jobs.leases import Leases
from comfywire.service.jobs.records import JobRecord, Retry
from comfywire.service.jobs.states import JobState
from comfywire.service.jobs.store import Store


async def dies(store: Store) -> None:
    """Every worker is not heard of any more, and somebody notices."""
    await heard_of(store, "now() - interval '1 hour'")
    await store.queue.give_back_stalled(60)


async def heard_of(store: Store, at: str) -> None:
    """Every worker that there is by now was last heard of then."""
    await store.database.do(f"UPDATE procrastinate_workers SET last_heartbeat = {at}")


async def running(store: Store, worker: str = "worker", need: str = NEED) -> Leases:
    """The next job runs, as its worker says."""
    leases = Leases(store, worker)
    claim = await claimed(store, leases, need)
    await leases.will_submit(claim.lease, "http://there")
    await leases.began(claim.lease)
    return leases


async def test_a_job_counts_the_workers_that_died_while_it_ran(store: Store, key_id: UUID) -> None:
    record = await store.submit(job(key_id))
    counts = []
    for _ in range(3):
        await running(store)
        await dies(store)
        found = await store.get(record.id)
        assert found is not None
        counts.append(found.deaths)

    assert counts == [1, 2, 3]


async def test_a_worker_that_died_before_the_job_began_counts_for_nothing(store: Store, key_id: UUID) -> None:
    record = await store.submit(job(key_id))
    await claimed(store)
    await dies(store)

    found = await store.get(record.id)
    assert found is not None
    assert found.deaths == 0


@pytest.mark.parametrize("deaths", [1, 2, 3])
async def test_the_death_of_a_worker_that_is_alive_after_all_does_not_count(
    store: Store, key_id: UUID, deaths: int
) -> None:
    record = await store.submit(job(key_id))
    for number in range(deaths):
        await running(store, f"worker {number}")
        await dies(store)
    for number in range(deaths):
        await store.queue.spare(f"worker {number}")
        await store.queue.spare(f"worker {number}")  # said twice, it counts once
        found = await store.get(record.id)
        assert found is not None
        assert found.deaths == deaths - number - 1

    assert not await store.queue.has_suspect([NEED])
    assert len(await store.queue.heads([NEED], alone=False)) == 1


async def test_a_worker_that_died_before_it_claimed_the_job_counts_for_nothing(
    store: Store, key_id: UUID
) -> None:
    record = await store.submit(job(key_id))
    for _ in range(2):
        await running(store)
        await dies(store)
    for _ in range(3):
        assert await store.queue.take(NEED, await store.queue.register()) is not None
        await dies(store)

    found = await store.get(record.id)
    assert found is not None
    assert found.deaths == 2
    assert await store.queue.has_suspect([NEED])


async def test_a_worker_that_stopped_in_order_counts_for_nothing(store: Store, key_id: UUID) -> None:
    record = await store.submit(job(key_id))
    leases, number = Leases(store, "worker"), await store.queue.register()
    taken = await store.queue.take(NEED, number)
    assert taken is not None
    claim = await leases.claim(taken)
    assert claim is not None
    await leases.will_submit(claim.lease, "http://there")
    await leases.began(claim.lease)
    await store.queue.unregister(number)
    assert await store.queue.give_back_stalled(60) == [record.id]

    found = await store.get(record.id)
    assert found is not None
    assert found.deaths == 0


async def test_a_worker_that_lost_its_way_to_the_database_has_not_died(rig: Rig, server: Server) -> None:
    async with DatabaseLink(rig.database.url) as link, Database(link.url, try_every=0.1) as database:
        far = Rig(rig.folder, database, rig.key_id)
        async with working(far.worker(server.url, stalled_after=1.0)):
            await up(rig)
            hold = server.faults.nodes.hold(class_type="EmptyImage")
            record = await rig.submit(picture(1))
            await rig.until(record, lambda now: now.state is JobState.RUNNING)
            async with working(rig.worker(server.url, stalled_after=1.0)):
                await link.cut()
                await rig.until(record, lambda now: now.deaths == 1 and now.attempt == 2)
                await link.mend()
                await rig.until(record, lambda now: now.deaths == 0)
                hold.release()
                ended = await rig.ended(record)

    assert ended.state is JobState.SUCCEEDED
    assert runs_of(server, record) == 1


async def ended_without_its_worker(rig: Rig, server: Server, deaths: int) -> JobRecord:
    """A job whose prompt has ended, while it runs by the database, and of which so many workers have died."""
    record = await rig.submit(picture(1))
    leases = Leases(rig.store, "worker")
    taken = await rig.store.queue.take(record.need, await rig.store.queue.register())
    assert taken is not None
    claim = await leases.claim(taken)
    assert claim is not None
    await leases.will_submit(claim.lease, server.url)
    async with Client(server.url) as client:
        await (await client.submit(picture(1), prompt_id=str(record.id))).result()
    await leases.began(claim.lease)
    await rig.database.do("UPDATE jobs SET deaths = %(deaths)s", deaths=deaths)
    await heard_of(rig.store, "now() - interval '1 hour'")
    return record


@pytest.mark.parametrize("deaths", [2, 3, 4])
async def test_a_job_is_no_poison_whose_prompt_had_ended(rig: Rig, server: Server, deaths: int) -> None:
    record = await ended_without_its_worker(rig, server, deaths - 1)
    async with working(rig.worker(server.url, stalled_after=0.5)):
        ended = await rig.ended(record)

    assert (ended.state, ended.deaths) == (JobState.SUCCEEDED, deaths)
    assert len(await rig.store.outputs(record.id)) == 1
    assert runs_of(server, record) == 1


async def test_what_was_made_is_fetched_by_a_worker_that_has_no_other_job(rig: Rig, server: Server) -> None:
    record = await ended_without_its_worker(rig, server, 2)
    await heard_of(rig.store, "now() + interval '1 hour'")
    async with working(rig.worker(server.url, stalled_after=0.5)):
        await up(rig)
        hold = server.faults.nodes.hold(class_type="EmptyImage")
        other = await rig.submit(picture(2))
        await rig.until(other, lambda now: now.state is JobState.RUNNING)
        await rig.database.do("DELETE FROM procrastinate_workers WHERE last_heartbeat > now()")
        await rig.database.do("UPDATE jobs SET deaths = 3 WHERE id = %(job_id)s", job_id=record.id)
        await until(lambda: rig.store.queue.has_suspect([record.need]))
        waiting = await rig.now(record)
        hold.release()
        ended = [await rig.ended(one) for one in (record, other)]

    assert (waiting.state, waiting.deaths) == (JobState.RUNNING, 3)
    assert {one.state for one in ended} == {JobState.SUCCEEDED}


async def test_what_nobody_survives_fetching_is_given_up(rig: Rig, server: Server) -> None:
    record = await ended_without_its_worker(rig, server, 5)
    async with working(rig.worker(server.url, stalled_after=0.5)):
        ended = await rig.ended(record)

    assert ended.error is not None
    assert (ended.state, ended.error["code"]) == (JobState.FAILED, "outputs_unavailable")
    assert "6 times" in ended.error["message"]


async def test_what_was_to_be_canceled_is_canceled_however_many_died_of_it(rig: Rig, server: Server) -> None:
    record = await rig.submit(picture(1))
    await running(rig.store, need=record.need)
    await rig.database.do("UPDATE jobs SET deaths = 3")
    await dies(rig.store)
    await rig.store.cancel(record.id)
    async with working(rig.worker(server.url, server_patience=1.0)):
        ended = await rig.ended(record)

    assert ended.state is JobState.CANCELED


async def test_after_two_deaths_a_worker_with_other_jobs_does_not_take_it(store: Store, key_id: UUID) -> None:
    await store.submit(job(key_id))
    seen = []
    for _ in range(3):
        await running(store)
        await dies(store)
        number = await store.queue.register()
        is_suspect = await store.queue.has_suspect([NEED])
        seen.append((is_suspect, *[len(await store.queue.heads([NEED], alone=one)) for one in (False, True)]))
        if is_suspect:
            assert await store.queue.take(NEED, number, alone=False) is None
            assert await store.queue.take_submitted(number, alone=False) is None

    assert seen == [(False, 1, 1), (True, 0, 1), (False, 1, 1)]


async def test_a_suspect_that_a_worker_cannot_take_holds_it_up_for_nothing(rig: Rig, server: Server) -> None:
    await suspect(rig, class_type="NoSuchNode")
    async with working(rig.worker(server.url, stalled_after=0.5)):
        await up(rig)
        hold = server.faults.nodes.hold(class_type="EmptyImage")
        first, second = await rig.submit(picture(1)), await rig.submit(picture(2))
        for one in (first, second):
            await rig.until(one, lambda now: now.submitted_at is not None)
        hold.release()
        ended = [await rig.ended(first), await rig.ended(second)]

    assert {one.state for one in ended} == {JobState.SUCCEEDED}


async def test_after_three_it_is_set_aside_and_somebody_may_retry_it(rig: Rig, server: Server) -> None:
    async with working(rig.worker(server.url)):
        await up(rig)
    record = await rig.submit(picture(1))
    await rig.database.do("UPDATE jobs SET deaths = 3")
    async with working(rig.worker(server.url)):
        other = await rig.ended(await rig.submit(picture(2)))
        record = await rig.ended(record)
        await rig.store.retry(record.id)
        retried = await rig.ended(await rig.until(record, lambda now: now.attempt > record.attempt))

    assert record.error is not None
    assert (record.state, record.error["code"]) == (JobState.FAILED, "poison")
    assert "3 times" in record.error["message"]
    assert (other.state, retried.state, retried.deaths) == (JobState.SUCCEEDED, JobState.SUCCEEDED, 0)
    assert runs_of(server, record) == 1


async def suspect(rig: Rig, class_type: str = "EmptyImage") -> JobRecord:
    """A job that two workers have died of, as ``give_back_stalled`` would have written it."""
    prompt = picture(2)
    prompt["1"]["class_type"] = class_type
    requirement = requirement_of(prompt)
    new = job(rig.key_id, prompt=prompt, need=need_of(requirement), requirement=requirement)
    marks = """WITH marked AS (UPDATE jobs SET deaths = 2 WHERE id = %(id)s RETURNING queue_id)
               UPDATE procrastinate_jobs SET args = args || '{"suspect": true}'
                 FROM marked WHERE procrastinate_jobs.id = marked.queue_id"""
    async with rig.database.transaction() as connection:
        record = await rig.store.submit_in(connection, new, default_max_queued=1000)
        await connection.execute(marks.encode(), {"id": record.id})
    return record


async def test_a_suspect_runs_alone_in_its_worker(rig: Rig, server: Server) -> None:
    async with working(rig.worker(server.url, stalled_after=1.0, slots=3)):
        await up(rig)
        hold = server.faults.nodes.hold(class_type="EmptyImage")
        before = await rig.submit(picture(1))
        await rig.until(before, lambda now: now.state is JobState.RUNNING)
        record = await suspect(rig)
        await until(lambda: rig.store.queue.has_suspect([record.need]))
        again = server.faults.nodes.hold(class_type="EmptyImage")
        hold.release()
        await rig.until(record, lambda now: now.state is JobState.RUNNING)
        behind = [await rig.submit(picture(number)) for number in (3, 4)]
        done = await rig.now(before)
        waiting = [(await rig.now(job)).submitted_at for job in behind]
        again.release()
        ended = [await rig.ended(job) for job in (record, *behind)]

    assert done.is_over
    assert waiting == [None, None]
    assert {job.state for job in ended} == {JobState.SUCCEEDED}


async def test_what_waited_behind_the_prompt_that_killed_the_comfyui_is_spared(
    rig: Rig, server: Server
) -> None:
    never = Retry(lost=False, errors=(), max_attempts=1)
    async with working(rig.worker(server.url)):
        await up(rig)
        once = server.faults.nodes.hold(class_type="SaveImage")
        killer = await rig.submit(picture(1))
        await rig.until(killer, lambda now: now.state is JobState.RUNNING)
        behind = await rig.submit(picture(2), retry=never)
        await rig.until(behind, lambda now: now.submitted_at is not None)
        await until(lambda: _is_struck(once, 1))
        await server.faults.life.restart()
        killer, behind = await rig.ended(killer), await rig.ended(behind)

    assert (killer.state, killer.submissions) == (JobState.SUCCEEDED, 2)
    assert (behind.state, behind.submissions, runs_of(server, behind)) == (JobState.SUCCEEDED, 1, 1)


async def test_what_was_lost_twice_has_nobody_wait_behind_it(rig: Rig, server: Server) -> None:
    async with working(rig.worker(server.url)):
        await up(rig)
        # The worker's own prompt, which tries a server that is back, saves nothing: no fault is for it.
        twice = server.faults.nodes.hold(class_type="SaveImage", times=2)
        killer = await rig.submit(picture(1))
        for number in (1, 2):
            await rig.until(
                killer, lambda now, number=number: (now.state, now.submissions) == (JobState.RUNNING, number)
            )
            await until(partial(_is_struck, twice, number))
            await server.faults.life.restart()
        hold = server.faults.nodes.hold(class_type="SaveImage")
        await rig.until(killer, lambda now: (now.state, now.submissions) == (JobState.RUNNING, 3))
        behind = await rig.submit(picture(2))
        found = await rig.now(behind)
        query = "SELECT 1 FROM servers WHERE seen_at > %(at)s"
        await until(lambda: rig.database.one(query, at=found.created_at))
        waiting = await rig.now(behind)
        hold.release()
        ended = [await rig.ended(killer), await rig.ended(behind)]

    assert waiting.submitted_at is None
    assert {job.state for job in ended} == {JobState.SUCCEEDED}


async def _is_struck(rule: Rule, times: int) -> bool:
    return rule.hits == times


async def test_a_job_that_ran_out_of_memory_goes_to_another_comfyui_if_one_can_run_it(
    rig: Rig, server: Server
) -> None:
    async with Server(faults=Faults()) as other, working(rig.worker(server.url, other.url)):
        query = "SELECT 1 FROM servers WHERE state = 'up' HAVING count(*) = 2"
        await until(lambda: rig.database.one(query))
        known = await rig.ended(await rig.submit(picture(9)))
        need = "SELECT 1 FROM refusals WHERE need = %(need)s AND reasons = '[]' HAVING count(*) = 2"
        await until(lambda: rig.database.one(need, need=known.need))
        for one in (server, other):
            one.faults.nodes.fail("no", exception_type="torch.OutOfMemoryError", class_type="EmptyImage")
        ended = await rig.ended(await rig.submit(picture()))

    assert ended.error is not None  # it is tried once more, and there it is too large as well
    assert (runs_of(server, ended), runs_of(other, ended)) == (1, 1)
