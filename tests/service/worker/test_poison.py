"""Jobs that take their worker or their ComfyUI along harm the others once or twice, and not for ever."""

from uuid import UUID

from tests.service.making import NEED, claimed, job
from tests.service.rig import Rig, picture, runs_of, until, up, working

from comfywire.server import Faults, Server
from comfywire.service.fleet.needs import need_of, requirement_of
from comfywire.service.jobs.leases import Leases
from comfywire.service.jobs.records import JobRecord, Retry
from comfywire.service.jobs.states import JobState
from comfywire.service.jobs.store import Store


async def dies(store: Store) -> None:
    """Every worker is not heard of any more, and somebody notices."""
    await store.database.do("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 hour'")
    await store.queue.give_back_stalled(60)


async def running(store: Store) -> Leases:
    """The next job runs, as its worker says."""
    leases = Leases(store, "worker")
    claim = await claimed(store, leases)
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
        server.faults.nodes.hold(class_type="EmptyImage")
        killer = await rig.submit(picture(1))
        await rig.until(killer, lambda now: now.state is JobState.RUNNING)
        behind = await rig.submit(picture(2), retry=never)
        await rig.until(behind, lambda now: now.submitted_at is not None)
        await server.faults.life.restart()
        killer, behind = await rig.ended(killer), await rig.ended(behind)

    assert (killer.state, killer.submissions) == (JobState.SUCCEEDED, 2)
    assert (behind.state, behind.submissions, runs_of(server, behind)) == (JobState.SUCCEEDED, 1, 1)


async def test_what_was_lost_twice_has_nobody_wait_behind_it(rig: Rig, server: Server) -> None:
    async with working(rig.worker(server.url)):
        await up(rig)
        server.faults.nodes.hold(class_type="EmptyImage", times=2)
        killer = await rig.submit(picture(1))
        for number in (1, 2):
            await rig.until(
                killer, lambda now, number=number: (now.state, now.submissions) == (JobState.RUNNING, number)
            )
            await server.faults.life.restart()
        hold = server.faults.nodes.hold(class_type="EmptyImage")
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
