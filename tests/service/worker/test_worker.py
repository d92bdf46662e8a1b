import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from tests.service.conftest import new_key
from tests.service.receiver import receiver
from tests.service.rig import Rig, killed, picture, runs_of, until, up, working

from comfywire.server import Server
from comfywire.service.database.pool import Database
from comfywire.service.hooks import Hooks
from comfywire.service.jobs.engine import Taken
from comfywire.service.jobs.records import OutputRecord, Retry
from comfywire.service.jobs.states import JobState
from comfywire.service.worker.follower import Following


async def test_a_job_succeeds_with_its_outputs_kept(rig: Rig, server: Server):
    async with working(rig.worker(server.url)):
        job = await rig.ended(await rig.submit(picture()))

    (output,) = await rig.store.outputs(job.id)
    content = await content_of(rig, output)
    assert (job.state, job.error, output.kind, content[:4]) == ("succeeded", None, "image", b"\x89PNG")
    assert await rig.path(job) == ["queued", "queued", "running", "succeeded"]
    assert runs_of(server, job) == 1


async def test_outputs_outlive_the_server_that_made_them(rig: Rig):
    async with Server() as server, working(rig.worker(server.url)):
        job = await rig.ended(await rig.submit(picture()))

    (output,) = await rig.store.outputs(job.id)
    assert len(await content_of(rig, output)) == output.size_bytes


async def test_a_node_that_raises_fails_the_job_and_is_not_repeated(rig: Rig, server: Server):
    async with working(rig.worker(server.url)):
        await up(rig)
        server.faults.nodes.fail("no such colour", exception_type="ValueError", class_type="EmptyImage")
        job = await rig.ended(await rig.submit(picture()))

    assert job.state is JobState.FAILED
    assert job.error is not None
    assert job.error["code"] == "node_execution_error"
    assert (job.error["node_id"], job.error["class_type"]) == ("1", "EmptyImage")
    assert "no such colour" in job.error["message"]
    assert runs_of(server, job) == 1


async def test_a_node_that_runs_out_of_memory_is_repeated_once(rig: Rig, server: Server):
    async with working(rig.worker(server.url)):
        await up(rig)
        server.faults.nodes.fail(
            "out of memory", exception_type="torch.OutOfMemoryError", class_type="EmptyImage"
        )
        job = await rig.ended(await rig.submit(picture()))

    assert job.state is JobState.SUCCEEDED
    assert runs_of(server, job) == 2


async def test_a_prompt_that_the_server_rejects_fails_with_a_sentence(rig: Rig, server: Server):
    wrong = picture()
    wrong["1"]["inputs"]["width"] = -5

    async with working(rig.worker(server.url)):
        job = await rig.ended(await rig.submit(wrong))

    assert job.error is not None
    assert job.error["code"] == "invalid_workflow"
    assert "node 1 (EmptyImage)" in job.error["message"]


async def test_a_queued_job_is_canceled_at_once(rig: Rig):
    job = await rig.submit(picture())

    await rig.store.cancel(job.id)

    assert (await rig.now(job)).state is JobState.CANCELED


async def test_a_cancellation_that_is_heard_while_the_job_is_being_taken_is_not_lost(
    rig: Rig, server: Server, monkeypatch: pytest.MonkeyPatch
):
    """The job is the worker's in the database by then, and its run has not begun."""
    follow, cancel, heard = Following.follow, Following.cancel, asyncio.Event()

    def hear(following: Following, job_id: UUID) -> None:
        cancel(following, job_id)
        heard.set()

    async def follow_late(following: Following, taken: Taken, *chosen: Any) -> None:
        await rig.store.cancel(taken.job_id)
        await heard.wait()
        await follow(following, taken, *chosen)

    monkeypatch.setattr(Following, "cancel", hear)
    monkeypatch.setattr(Following, "follow", follow_late)
    async with working(rig.worker(server.url)):
        job = await rig.ended(await rig.submit(picture()))

    assert (job.state, runs_of(server, job)) == (JobState.CANCELED, 0)


async def test_a_running_job_is_canceled_and_no_other(rig: Rig, server: Server):
    async with working(rig.worker(server.url)):
        await up(rig)
        hold = server.faults.nodes.hold(class_type="EmptyImage", times=2)
        one = await rig.submit(picture(1))
        await rig.until(one, lambda job: job.state is JobState.RUNNING)
        other = await rig.submit(picture(2))
        await rig.store.cancel(one.id)
        one = await rig.ended(one)
        hold.release()
        other = await rig.ended(other)

    assert (one.state, other.state) == (JobState.CANCELED, JobState.SUCCEEDED)
    assert "canceling" in await rig.path(one)


async def test_a_job_that_the_server_lost_is_run_again(rig: Rig, server: Server):
    async with working(rig.worker(server.url)):
        await up(rig)
        server.faults.nodes.hold(class_type="EmptyImage")
        job = await rig.submit(picture())
        await rig.until(job, lambda job: job.state is JobState.RUNNING)
        await server.faults.life.restart()
        job = await rig.ended(job)

    assert (job.state, job.submissions) == (JobState.SUCCEEDED, 2)
    assert await rig.path(job) == [*"queued queued running queued queued running succeeded".split()]


async def test_a_job_that_must_not_be_repeated_fails_as_lost(rig: Rig, server: Server):
    async with working(rig.worker(server.url)):
        await up(rig)
        server.faults.nodes.hold(class_type="EmptyImage")
        job = await rig.submit(picture(), retry=Retry(lost=False))
        await rig.until(job, lambda job: job.state is JobState.RUNNING)
        await server.faults.life.restart()
        job = await rig.ended(job)

    assert job.error is not None
    assert (job.state, job.error["code"], runs_of(server, job)) == (JobState.FAILED, "lost", 1)


async def test_a_server_that_is_away_for_a_moment_loses_nothing(rig: Rig, server: Server):
    async with working(rig.worker(server.url)):
        await up(rig)
        hold = server.faults.nodes.hold(class_type="EmptyImage")
        job = await rig.submit(picture())
        await rig.until(job, lambda job: job.state is JobState.RUNNING)
        await server.faults.life.refuse_connections(1.0)
        hold.release()
        job = await rig.ended(job)

    assert (job.state, runs_of(server, job)) == (JobState.SUCCEEDED, 1)


async def test_a_stopping_worker_hands_over_what_runs_on(rig: Rig, server: Server):
    async with working(rig.worker(server.url, drain_timeout=0.0)) as stop:
        await up(rig)
        hold = server.faults.nodes.hold(class_type="EmptyImage")
        job = await rig.submit(picture())
        await rig.until(job, lambda job: job.state is JobState.RUNNING)
        stop.set()
    async with working(rig.worker(server.url)):
        await rig.until(job, lambda job: job.attempt == 2)
        hold.release()
        job = await rig.ended(job)

    assert (job.state, job.submissions, runs_of(server, job)) == (JobState.SUCCEEDED, 1, 1)


async def test_a_worker_tells_webhooks_how_others_reach_the_service(rig: Rig, server: Server):
    options = ["--base-url", "https://gpu.example.com", "--allow-private-urls"]
    async with receiver() as receiving, killed(rig, server.url, options=options):
        await rig.submit(picture(), webhook_url=receiving.url)
        (received,) = await receiving.until(1)

    (output,) = json.loads(received.body)["data"]["outputs"]
    assert output["url"].startswith("https://gpu.example.com/api/v2/assets/")


async def test_another_worker_adopts_what_a_dead_one_had_submitted(rig: Rig, server: Server):
    async with killed(rig, server.url):
        await up(rig)
        hold = server.faults.nodes.hold(class_type="EmptyImage")
        job = await rig.submit(picture())
        await rig.until(job, lambda job: job.state is JobState.RUNNING)
    async with Server() as other, working(rig.worker(other.url, stalled_after=0.5)):
        await rig.until(job, lambda job: job.attempt == 2)
        hold.release()
        job = await rig.ended(job)

    assert (job.state, job.server, job.submissions) == (JobState.SUCCEEDED, server.url, 1)
    assert (runs_of(server, job), runs_of(other, job)) == (1, 0)


async def test_outputs_of_an_adopted_job_are_waited_for_while_its_server_is_away(rig: Rig, server: Server):
    async with killed(rig, server.url):
        await up(rig)
        hold = server.faults.nodes.hold(class_type="EmptyImage")
        job = await rig.submit(picture())
        await rig.until(job, lambda job: job.state is JobState.RUNNING)
    async with Server() as other, working(rig.worker(other.url, stalled_after=0.5)):
        await rig.until(job, lambda job: job.attempt == 2)
        server.faults.replies.fail("GET /view", times=6)
        hold.release()
        job = await rig.ended(job)

    assert (job.state, job.server, job.submissions) == (JobState.SUCCEEDED, server.url, 1)
    assert (runs_of(server, job), runs_of(other, job)) == (1, 0)


async def test_a_prompt_that_ended_while_nobody_looked_is_found(rig: Rig, server: Server):
    async with killed(rig, server.url):
        await up(rig)
        hold = server.faults.nodes.hold(class_type="EmptyImage")
        job = await rig.submit(picture())
        await rig.until(job, lambda job: job.state is JobState.RUNNING)
    hold.release()
    await server.until_done(str(job.id))
    async with working(rig.worker(server.url, stalled_after=0.5)):
        job = await rig.ended(job)

    assert (job.state, runs_of(server, job)) == (JobState.SUCCEEDED, 1)
    assert len(await rig.store.outputs(job.id)) == 1


async def test_a_worker_that_was_overtaken_changes_nothing(rig: Rig, server: Server):
    worker = rig.worker(server.url)

    async def not_busy() -> bool:
        return not worker.is_busy

    async with working(worker):
        await up(rig)
        hold = server.faults.nodes.hold(class_type="EmptyImage")
        job = await rig.submit(picture())
        await rig.until(job, lambda job: job.state is JobState.RUNNING)
        await rig.database.do("UPDATE jobs SET attempt = attempt + 1 WHERE id = %(id)s", id=job.id)
        hold.release()
        await server.until_done(str(job.id))
        await until(not_busy)

    assert (await rig.now(job)).state is JobState.RUNNING


async def test_a_job_whose_node_no_server_has_says_so(rig: Rig, server: Server):
    job = await rig.submit({"1": {"class_type": "NoSuchNode", "inputs": {}}})

    async with working(rig.worker(server.url)):
        await up(rig)
        await until(lambda: reasons(rig, job.need))

    assert await reasons(rig, job.need) == [["node 'NoSuchNode'"]]


async def test_a_paused_server_is_given_nothing(rig: Rig, server: Server):
    async with working(rig.worker(server.url)):
        await up(rig)
        await want(rig, server, "paused")
        job = await rig.submit(picture())
        async with Server() as other, working(rig.worker(other.url)):
            job = await rig.ended(job)
        assert job.server == other.url


async def test_other_peoples_prompts_leave_room_for_one_of_ours(rig: Rig, server: Server):
    async with working(rig.worker(server.url, slots=3)):
        await up(rig)
        hold = server.faults.nodes.hold(class_type="EmptyImage", times=None)
        foreign = await server.faults.prompts.submit(picture(99))
        await server.until_running(foreign)
        await until_foreign(rig, 1)
        jobs = [await rig.submit(picture(n)) for n in range(3)]
        await rig.until(jobs[0], lambda job: job.submitted_at is not None)
        waiting = await rig.database.all("SELECT 1 FROM jobs WHERE submitted_at IS NULL")
        hold.release()
        server.faults.nodes.clear()
        ended = [await rig.ended(job) for job in jobs]

    assert len(waiting) == 2
    assert {job.state for job in ended} == {JobState.SUCCEEDED}


async def test_a_server_on_which_job_after_job_fails_is_taken_out_and_comes_back(rig: Rig, server: Server):
    async with working(rig.worker(server.url)):
        await rig.ended(await rig.submit(picture(8)))
        server.faults.nodes.fail("CUDA error", class_type="EmptyImage", times=5)
        failed = [await rig.ended(await rig.submit(picture(n))) for n in range(5)]
        states = {row["state"] for row in await rig.database.all("SELECT state FROM servers")}
        job = await rig.submit(picture(9))
        ended = await rig.ended(job)

    assert {job.state for job in failed} == {JobState.FAILED}
    assert states <= {"broken", "up"}
    assert ended.state is JobState.SUCCEEDED
    assert ended.started_at is not None
    assert (ended.started_at - ended.created_at).total_seconds() > 0.5


async def test_what_worked_before_the_worker_was_started_is_known_to_work(rig: Rig, server: Server):
    async with working(rig.worker(server.url)):
        await rig.ended(await rig.submit(picture(8)))

    worker = rig.worker(server.url)
    async with working(worker):
        await until(lambda: in_state(rig, "up", worker.name))
        server.faults.nodes.fail("CUDA error", class_type="EmptyImage", times=1000)
        for n in range(7):
            await rig.submit(picture(n))
        await until(lambda: in_state(rig, "broken"))


async def test_a_server_that_fails_everything_at_once_does_not_eat_the_queue(rig: Rig, server: Server):
    seen = {"3": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}}

    async with working(rig.worker(server.url)):
        await up(rig)
        server.faults.nodes.fail("CUDA error", class_type="EmptyImage", times=1000)
        jobs = [await rig.submit(picture(n, **seen if n % 2 else {})) for n in range(20)]
        await until(lambda: in_state(rig, "broken"))
        states = Counter([(await rig.now(job)).state for job in jobs])

    assert states[JobState.FAILED] <= 5 + 2  # those that were on the server when it was taken out
    assert states[JobState.FAILED] + states[JobState.QUEUED] + states[JobState.RUNNING] == 20


async def test_a_broken_workflow_of_one_key_takes_no_server_from_the_others(
    rig: Rig, server: Server, database: Database
):
    broken = picture(0, **{"3": {"class_type": "TestSyncError", "inputs": {"value": ["1", 0]}}})
    broken["2"] = {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "x"}}
    other = await new_key(database, "another")

    async with working(rig.worker(server.url)):
        failed = [await rig.ended(await rig.submit(broken)) for _ in range(12)]
        job = await rig.ended(await rig.submit(picture(9), key_id=other))
        found = await rig.database.one("SELECT state, counts FROM servers")

    assert {job.state for job in failed} == {JobState.FAILED}
    assert (job.state, found is not None and found["state"]) == (JobState.SUCCEEDED, "up")
    assert found is not None
    assert "broken" not in found["counts"]
    assert job.started_at is not None
    assert (job.started_at - job.created_at).total_seconds() < 3


async def in_state(rig: Rig, state: str, worker: str | None = None) -> bool:
    """Whether the server is, as this worker sees it, or as any does."""
    found = await rig.database.one("SELECT state, worker FROM servers")
    return found is not None and found["state"] == state and worker in (None, found["worker"])


async def test_a_withheld_output_leaves_its_reason(rig: Rig, server: Server):
    class Policy:
        def on_result(self, facts: Mapping[str, Any], path: Path) -> str | None:
            return "pictures stay here" if facts["output"]["kind"] == "image" else None

    async with working(rig.worker(server.url, hooks=Hooks({"policy": Policy()}))):
        job = await rig.ended(await rig.submit(picture()))

    (output,) = await rig.store.outputs(job.id)
    assert (job.state, output.asset_id) == (JobState.SUCCEEDED, None)
    assert "pictures stay here" in job.warnings[0]


async def test_outputs_that_the_server_had_cached_are_told_apart(rig: Rig, server: Server):
    async with working(rig.worker(server.url)):
        first = await rig.ended(await rig.submit(picture(5)))
        second = await rig.ended(await rig.submit(picture(5)))

    assert (first.outputs_reused, second.outputs_reused) == (False, True)


async def test_an_input_asset_is_on_the_server_before_the_prompt(rig: Rig, server: Server):
    async with working(rig.worker(server.url)):
        made = await rig.ended(await rig.submit(picture(7)))
        (output,) = await rig.store.outputs(made.id)
        reference = {"__type": "core/ASSET", "info": {"id": str(output.asset_id)}}
        load = {
            "1": {"class_type": "LoadImage", "inputs": {"image": reference}},
            "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "y"}},
        }
        job = await rig.ended(await rig.submit(load, inputs=[output.asset_id]))

    assert (job.state, job.error) == (JobState.SUCCEEDED, None)


async def test_a_key_runs_no_more_at_a_time_than_it_may(rig: Rig, server: Server, database: Database):
    await database.do("UPDATE keys SET max_running = 1 WHERE id = %(id)s", id=rig.key_id)
    one, other = await rig.submit(picture(1)), await rig.submit(picture(2))

    assert (one.queue_id is None, other.queue_id is None) == (False, True)
    async with working(rig.worker(server.url)):
        assert (await rig.ended(other)).state is JobState.SUCCEEDED


async def until_foreign(rig: Rig, count: int) -> None:
    query = "SELECT 1 FROM servers WHERE foreign_prompts = %(count)s"
    await until(lambda: rig.database.one(query, count=count))


async def want(rig: Rig, server: Server, wanted: str) -> None:
    await rig.database.do(
        "UPDATE servers SET wanted = %(wanted)s WHERE url = %(url)s", wanted=wanted, url=server.url
    )
    before = await rig.database.one("SELECT seen_at FROM servers WHERE url = %(url)s", url=server.url)
    await rig.database.do("SELECT pg_notify('comfywire_servers', '')")
    query = "SELECT 1 FROM servers WHERE url = %(url)s AND seen_at > %(seen_at)s"
    assert before is not None
    await until(lambda: rig.database.one(query, url=server.url, **before))


async def reasons(rig: Rig, need: str) -> list[list[str]]:
    found = await rig.database.all("SELECT reasons FROM refusals WHERE need = %(need)s", need=need)
    return [row["reasons"] for row in found]


async def content_of(rig: Rig, output: OutputRecord) -> bytes:
    assert output.asset_id is not None
    asset = await rig.assets.get(output.asset_id)
    assert asset is not None
    return b"".join([chunk async for chunk in rig.assets.read(asset)])
