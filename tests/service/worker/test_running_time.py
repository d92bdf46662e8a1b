"""How long a job may run, and what becomes of a ComfyUI that does not let go of one."""

import contextlib
from collections.abc import AsyncIterator

import pytest
from tests.service.rig import Rig, picture, runs_of, until, up, working

from comfywire.server import Faults, Server
from comfywire.service.jobs.records import JobRecord, Retry
from comfywire.service.jobs.states import JobState


async def in_state(rig: Rig, url: str, state: str) -> None:
    query = "SELECT 1 FROM servers WHERE url = %(url)s AND state = %(state)s"
    await until(lambda: rig.database.one(query, url=url, state=state))


@contextlib.asynccontextmanager
async def another() -> AsyncIterator[Server]:
    async with Server(faults=Faults()) as server:
        yield server


async def test_a_job_that_runs_too_long_is_ended_and_its_server_goes_on(rig: Rig, server: Server):
    async with working(rig.worker(server.url)):
        await up(rig)
        server.faults.nodes.hold(class_type="EmptyImage")
        job = await rig.ended(await rig.submit(picture(1), run_timeout=0.3))
        after = await rig.ended(await rig.submit(picture(2)))
        (found,) = await rig.database.all("SELECT state, counts FROM servers")

    assert job.error is not None
    assert (job.state, job.error["code"], runs_of(server, job)) == (JobState.FAILED, "timed_out", 1)
    assert after.state is JobState.SUCCEEDED
    assert (found["state"], "stuck" in found["counts"]) == ("up", False)


async def test_time_in_the_comfyui_s_queue_does_not_count(rig: Rig, server: Server):
    async with working(rig.worker(server.url)):
        await up(rig)
        hold = server.faults.nodes.hold(class_type="EmptyImage")
        first = await rig.submit(picture(1))
        await rig.until(first, lambda now: now.state is JobState.RUNNING)
        second = await rig.submit(picture(2), run_timeout=0.6)
        sent = await rig.until(second, lambda now: now.submitted_at is not None)
        query = "SELECT 1 FROM jobs WHERE id = %(id)s AND submitted_at < now() - interval '1 second'"
        await until(lambda: rig.database.one(query, id=sent.id))
        hold.release()
        ended = await rig.ended(second)

    assert ended.state is JobState.SUCCEEDED


async def test_the_worker_s_own_limit_holds_for_every_job(rig: Rig, server: Server):
    async with working(rig.worker(server.url, run_timeout=0.3)):
        await up(rig)
        server.faults.nodes.hold(class_type="EmptyImage")
        job = await rig.ended(await rig.submit(picture(), run_timeout=3600.0))

    assert job.error is not None
    assert job.error["code"] == "timed_out"


async def test_it_runs_again_where_its_retry_rules_say_so(rig: Rig, server: Server):
    retry = Retry(errors=("timed_out",), max_attempts=2)
    async with working(rig.worker(server.url)):
        await up(rig)
        server.faults.nodes.hold(class_type="EmptyImage")  # once
        job = await rig.ended(await rig.submit(picture(), run_timeout=0.5, retry=retry))

    assert (job.state, job.submissions, runs_of(server, job)) == (JobState.SUCCEEDED, 2, 2)


async def test_the_time_goes_on_when_another_worker_takes_over(rig: Rig, server: Server):
    async with working(rig.worker(server.url, drain_timeout=0.0)):
        await up(rig)
        server.faults.nodes.hold(class_type="EmptyImage")
        job = await rig.submit(picture(), run_timeout=3600.0)
        await rig.until(job, lambda now: now.state is JobState.RUNNING)
    await rig.database.do("UPDATE jobs SET started_at = now() - interval '2 hours'")

    async with working(rig.worker(server.url)):
        job = await rig.ended(job)

    assert job.error is not None
    assert (job.error["code"], runs_of(server, job)) == ("timed_out", 1)


@pytest.mark.parametrize(("hours", "code"), [(2, "timed_out"), (0, "interrupted")])
async def test_a_worker_that_dies_after_it_ended_a_job_leaves_it_to_the_next_to_say_why(
    rig: Rig, server: Server, hours: int, code: str
):
    """Found by the soak."""
    async with working(rig.worker(server.url, drain_timeout=0.0)):
        await up(rig)
        hold = server.faults.nodes.hold(class_type="EmptyImage")
        job = await rig.submit(picture(), run_timeout=3600.0)
        await rig.until(job, lambda now: now.state is JobState.RUNNING)
    ago = "UPDATE jobs SET started_at = now() - make_interval(hours => %(hours)s)"
    await rig.database.do(ago, hours=hours)
    server.faults.prompts.interrupt()
    hold.release()
    await server.until_done(str(job.id))

    async with working(rig.worker(server.url)):
        job = await rig.ended(job)

    assert job.error is not None
    assert (job.error["code"], runs_of(server, job)) == (code, 1)


async def test_a_server_that_does_not_let_go_is_stuck_and_what_waited_there_goes_elsewhere(
    rig: Rig, server: Server
):
    async with another() as other, working(rig.worker(server.url, interrupt_grace=0.3)):
        await up(rig)
        server.faults.nodes.kill_worker(class_type="EmptyImage")
        held = await rig.submit(picture(1), run_timeout=0.3)
        await rig.until(held, lambda now: now.state is JobState.RUNNING)
        waiting = await rig.submit(picture(2))
        await rig.until(waiting, lambda now: now.submitted_at is not None)
        held = await rig.ended(held)
        await in_state(rig, server.url, "stuck")
        async with working(rig.worker(other.url)):
            waiting = await rig.ended(waiting)
        running = await rig.database.one("SELECT running_since FROM servers WHERE state = 'stuck'")
        await server.faults.life.restart()
        server.faults.nodes.clear()
        await in_state(rig, server.url, "up")
        after = await rig.ended(await rig.submit(picture(3)))

    assert held.error is not None
    assert (held.state, held.error["code"]) == (JobState.FAILED, "timed_out")
    assert (waiting.state, waiting.server, waiting.submissions) == (JobState.SUCCEEDED, other.url, 1)
    assert running is not None
    assert running["running_since"] is not None
    assert after.state is JobState.SUCCEEDED


async def test_what_a_stuck_server_does_not_give_back_is_run_elsewhere_all_the_same(rig: Rig, server: Server):
    async with another() as other, working(rig.worker(server.url, interrupt_grace=0.3)):
        await up(rig)
        server.faults.nodes.kill_worker(class_type="EmptyImage")
        held = await rig.submit(picture(1), run_timeout=0.3)
        await rig.until(held, lambda now: now.state is JobState.RUNNING)
        server.faults.replies.fail("POST /queue", 200, times=None)  # it says yes, and does nothing
        waiting = await rig.submit(picture(2))
        await rig.until(waiting, lambda now: now.submitted_at is not None)
        await in_state(rig, server.url, "stuck")
        async with working(rig.worker(other.url)):
            waiting = await rig.ended(waiting)

    assert (waiting.state, waiting.server, waiting.submissions) == (JobState.SUCCEEDED, other.url, 1)


async def test_a_job_that_its_comfyui_does_not_let_go_of_is_canceled_for_its_owner(rig: Rig, server: Server):
    async with working(rig.worker(server.url, interrupt_grace=0.3)):
        await up(rig)
        server.faults.nodes.kill_worker(class_type="EmptyImage")
        job = await rig.submit(picture())
        await rig.until(job, lambda now: now.state is JobState.RUNNING)
        await rig.store.cancel(job.id)
        job = await rig.ended(job)
        await in_state(rig, server.url, "stuck")

    assert (job.state, job.error) == (JobState.CANCELED, None)


async def test_a_cancellation_waits_for_a_comfyui_that_is_away(rig: Rig, server: Server):
    """It may come back without the prompt, or with it: neither is known while it does not answer."""
    async with working(rig.worker(server.url, interrupt_grace=0.2)):
        await up(rig)
        hold = server.faults.nodes.hold(class_type="EmptyImage")
        job = await rig.submit(picture())
        await rig.until(job, lambda now: now.state is JobState.RUNNING)
        await server.faults.life.refuse_connections()
        await rig.store.cancel(job.id)
        await in_state(rig, server.url, "down")
        still = await rig.now(job)
        await server.faults.life.accept_connections()
        ended = await rig.ended(job)
        hold.release()

    assert (still.state, ended.state) == (JobState.CANCELING, JobState.CANCELED)


async def test_what_waits_on_a_busy_server_goes_to_one_that_has_nothing_to_do(rig: Rig, server: Server):
    async with another() as other, working(rig.worker(server.url, other.url)):
        await both_up(rig)
        holds = [one.faults.nodes.hold(class_type="EmptyImage", times=None) for one in (server, other)]
        jobs = [await rig.submit(picture(number)) for number in range(4)]
        for job in jobs:
            await rig.until(job, lambda now: now.submitted_at is not None)
        holds[1].release()
        other.faults.nodes.clear()
        moved = [job for job in jobs if (await rig.now(job)).server == server.url]
        ended_elsewhere = await elsewhere(rig, moved, other.url)
        holds[0].release()
        server.faults.nodes.clear()
        ended = [await rig.ended(job) for job in jobs]

    assert (ended_elsewhere.state, ended_elsewhere.submissions) == (JobState.SUCCEEDED, 1)
    assert {job.state for job in ended} == {JobState.SUCCEEDED}
    assert [runs_of(server, job) + runs_of(other, job) for job in ended] == [1] * 4


async def test_and_to_one_of_another_worker(rig: Rig, server: Server):
    async with another() as idle, working(rig.worker(server.url)):
        await up(rig)
        hold = server.faults.nodes.hold(class_type="EmptyImage")
        first = await rig.submit(picture(1))
        await rig.until(first, lambda now: now.state is JobState.RUNNING)
        second = await rig.submit(picture(2))
        await rig.until(second, lambda now: now.submitted_at is not None)
        async with working(rig.worker(idle.url)):
            ended = await rig.ended(second)
        hold.release()

    assert (ended.state, ended.server, ended.submissions) == (JobState.SUCCEEDED, idle.url, 1)


async def both_up(rig: Rig) -> None:
    query = "SELECT 1 FROM servers WHERE state = 'up' HAVING count(*) = 2"
    await until(lambda: rig.database.one(query))


async def elsewhere(rig: Rig, jobs: list[JobRecord], url: str) -> JobRecord:
    """Wait until one of these jobs has ended on this server."""
    while True:
        for job in jobs:
            now = await rig.now(job)
            if now.is_over and now.server == url:
                return now


@pytest.mark.parametrize("slots", [1, 3])
async def test_a_server_takes_as_many_as_its_own_slots(rig: Rig, server: Server, slots: int):
    async with working(rig.worker(f"{server.url}#gpu,slots={slots}")):
        await up(rig)
        hold = server.faults.nodes.hold(class_type="EmptyImage", times=None)
        for number in range(5):
            await rig.submit(picture(number))
        query = "SELECT 1 FROM jobs WHERE submitted_at IS NOT NULL HAVING count(*) = %(slots)s"
        await until(lambda: rig.database.one(query, slots=slots))
        found = await rig.database.one("SELECT tags FROM servers")
        hold.release()
        server.faults.nodes.clear()

    assert found == {"tags": ["gpu"]}
