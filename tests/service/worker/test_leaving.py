"""A worker that stops: its servers are nobody's at once, and nobody else's are disturbed."""

import asyncio

from tests.service.rig import Rig, picture, until, working

from comfywire.server import Server
from comfywire.service.jobs.overview import Operating, ServerRecord
from comfywire.service.jobs.states import JobState
from comfywire.service.worker.pace import Pace
from comfywire.service.worker.worker import Worker


async def the_server(rig: Rig) -> ServerRecord:
    (found,) = await Operating(rig.database).servers()
    return found


async def spoken_by(rig: Rig, worker: Worker) -> None:
    """Wait until the worker says that the server is up."""
    query = "SELECT 1 FROM servers WHERE state = 'up' AND worker = %(worker)s"
    await until(lambda: rig.database.one(query, worker=worker.name))


async def test_no_server_is_connected_when_the_last_worker_has_stopped(rig: Rig, server: Server) -> None:
    worker = rig.worker(server.url)
    async with working(worker):
        await spoken_by(rig, worker)

    job = await rig.submit(picture())
    assert not (await the_server(rig)).is_heard
    assert await Operating(rig.database).why_waiting(job) == "no server is connected"


async def test_nor_is_one_while_its_worker_waits_for_what_runs(rig: Rig, server: Server) -> None:
    async def is_silent() -> bool:
        return not (await the_server(rig)).is_heard

    worker = rig.worker(server.url)
    async with working(worker) as stop:
        await spoken_by(rig, worker)
        hold = server.faults.nodes.hold(class_type="EmptyImage")
        job = await rig.submit(picture())
        await rig.until(job, lambda now: now.state is JobState.RUNNING)
        stop.set()
        await until(is_silent)
        still = await rig.now(job)
        hold.release()
        ended = await rig.ended(job)

    assert (still.state, ended.state) == (JobState.RUNNING, JobState.SUCCEEDED)
    assert (still.attempt, still.worker) == (ended.attempt, worker.name)


async def test_another_worker_of_the_same_server_speaks_of_it_at_once(rig: Rig, server: Server) -> None:
    stays, goes = (rig.worker(server.url, pace=Pace(look=3600.0)) for _ in range(2))
    async with working(stays):
        await spoken_by(rig, stays)
        async with working(goes):
            await spoken_by(rig, goes)
        async with asyncio.timeout(5):
            await spoken_by(rig, stays)

        assert (await rig.ended(await rig.submit(picture()))).state is JobState.SUCCEEDED
