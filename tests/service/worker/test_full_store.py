"""An asset store that is full or away: nothing is taken, nothing fails, outputs are fetched later."""

import asyncio
import contextlib
import errno
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.service.rig import Rig, picture, runs_of, until, up, working

from comfywire.server import Server
from comfywire.service.assets.blobs import Blobs
from comfywire.service.jobs.overview import Operating
from comfywire.service.jobs.records import Retry
from comfywire.service.jobs.states import JobState


@contextlib.contextmanager
def no_store(rig: Rig) -> Iterator[None]:
    """The asset store does not work: a file is in its way."""
    folder = rig.folder / "assets"
    if folder.exists():
        folder.rename(rig.folder / "away")
    folder.write_text("")
    yield
    folder.unlink()
    if (rig.folder / "away").exists():
        (rig.folder / "away").rename(folder)


async def known_to_be_bad(rig: Rig) -> None:
    async def is_bad() -> bool:
        return not rig.store_check.is_good()

    await until(is_bad)


async def test_outputs_are_fetched_when_the_store_is_back_and_cost_no_second_run(rig: Rig, server: Server):
    async with working(rig.worker(server.url)):
        await up(rig)
        hold = server.faults.nodes.hold(class_type="EmptyImage")
        job = await rig.submit(picture())
        await rig.until(job, lambda now: now.state is JobState.RUNNING)
        with no_store(rig):
            hold.release()
            await server.until_done(str(job.id))
            await known_to_be_bad(rig)
            still = await rig.now(job)
        ended = await rig.ended(job)

    assert still.state is JobState.RUNNING
    assert (ended.state, ended.error, ended.attempt, runs_of(server, job)) == (JobState.SUCCEEDED, None, 1, 1)
    assert [output.size_bytes is not None for output in await rig.store.outputs(job.id)] == [True]


async def test_what_ended_there_and_was_lost_before_it_was_kept_has_run(
    rig: Rig, server: Server, monkeypatch: pytest.MonkeyPatch
):
    """Found by the soak: while the store was away the next one ran, and both went with their ComfyUI."""
    failed, was_tried = rig.store_check.failed, asyncio.Event()

    async def said_to_have_failed() -> bool:
        was_tried.set()
        return await failed()

    monkeypatch.setattr(rig.store_check, "failed", said_to_have_failed)
    async with working(rig.worker(server.url)):
        await up(rig)
        asked = server.faults.replies.stall("GET /view")  # nothing is kept before the store is away
        done = await rig.submit(picture(1), retry=Retry(lost=False))
        await server.until_done(str(done.id))
        await server.until(lambda: asked.is_spent)
        server.faults.nodes.hold(class_type="EmptyImage")
        runs = await rig.submit(picture(2), retry=Retry(lost=False))
        await rig.until(runs, lambda now: now.state is JobState.RUNNING)
        with no_store(rig):
            server.faults.replies.release()
            await was_tried.wait()
            await known_to_be_bad(rig)
            for picture_of_done in (server.folder / "output").rglob("*.png"):
                picture_of_done.unlink()
            await server.faults.life.restart()
        ended = [await rig.ended(done), await rig.ended(runs)]

    assert [(job.state, job.error and job.error["code"], job.submissions) for job in ended] == [
        (JobState.FAILED, "lost", 1),
        (JobState.FAILED, "lost", 1),
    ]


async def test_what_waits_on_a_comfyui_is_taken_back_and_costs_no_attempt(rig: Rig, server: Server):
    async with working(rig.worker(server.url)):
        await up(rig)
        hold = server.faults.nodes.hold(class_type="EmptyImage")
        first = await rig.submit(picture(1))
        await rig.until(first, lambda now: now.state is JobState.RUNNING)
        second = await rig.submit(picture(2))
        await rig.until(second, lambda now: now.submitted_at is not None)
        with no_store(rig):
            await rig.until(second, lambda now: now.submitted_at is None)
            waiting = await rig.now(second)
            hold.release()
            await server.until_done(str(first.id))
            runs = runs_of(server, second)
        ended = [await rig.ended(first), await rig.ended(second)]

    assert (waiting.state, waiting.submissions, runs) == (JobState.QUEUED, 0, 0)
    assert [(job.state, job.submissions) for job in ended] == [(JobState.SUCCEEDED, 1)] * 2


async def test_nothing_is_run_while_nothing_can_be_kept(rig: Rig, server: Server):
    async with working(rig.worker(server.url)):
        await up(rig)
        with no_store(rig):
            await known_to_be_bad(rig)  # the worker finds it out by itself: nobody has asked, no job has run
            jobs = [await rig.submit(picture(color)) for color in range(6)]
            await until(lambda: says(rig, jobs[-1], "no job is taken: the asset store"))
            states = {(await rig.now(job)).state for job in jobs}
            runs = [runs_of(server, job) for job in jobs]
        ended = [await rig.ended(job) for job in jobs]

    assert (states, runs) == ({JobState.QUEUED}, [0] * 6)
    assert {job.state for job in ended} == {JobState.SUCCEEDED}


async def says(rig: Rig, job: Any, words: str) -> bool:
    return words in (await Operating(rig.database).why_waiting(await rig.now(job)) or "")


async def test_a_store_that_works_and_does_not_take_an_output_is_not_waited_for_for_ever(
    rig: Rig, server: Server, monkeypatch: pytest.MonkeyPatch
):
    """What is wrong then is something else: the job is put off, and fails after the last time."""

    @contextlib.asynccontextmanager
    async def staged_file(blobs: Blobs, path: Path) -> AsyncIterator[Any]:
        raise OSError(errno.ENAMETOOLONG, "File name too long")
        yield

    monkeypatch.setattr(Blobs, "staged_file", staged_file)
    async with working(rig.worker(server.url)):
        job = await rig.submit(picture())
        await until(lambda: put_off(rig, job))

    assert rig.store_check.is_good()


async def put_off(rig: Rig, job: Any) -> bool:
    return any("put off" in step.reason for step in await rig.store.transitions(job.id))
