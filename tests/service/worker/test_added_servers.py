"""Workers take up servers that are added while they run, one worker each, and let go of removed ones."""

import asyncio
from dataclasses import replace

from tests.service.rig import FAST, Rig, picture, until, working

from comfywire.server import Server
from comfywire.service.fleet.added import AddedServers
from comfywire.service.jobs.overview import Operating, ServerRecord
from comfywire.service.jobs.states import JobState
from comfywire.service.worker.worker import Worker


async def servers(rig: Rig) -> list[ServerRecord]:
    return await Operating(rig.database).servers()


async def is_up(rig: Rig, worker: Worker) -> None:
    query = "SELECT 1 FROM servers WHERE state = 'up' AND worker = %(worker)s"
    await until(lambda: rig.database.one(query, worker=worker.name))


async def test_a_job_runs_on_a_server_that_is_added_while_it_waits(rig: Rig, server: Server) -> None:
    async with working(rig.worker()):
        job = await rig.submit(picture())
        await AddedServers(rig.database, rig.sealer).add(server.url, tags=["new"])

        ended = await rig.ended(job)

    assert (ended.state, ended.server) == (JobState.SUCCEEDED, server.url)


async def test_a_worker_that_starts_later_takes_it_up(rig: Rig, server: Server) -> None:
    await AddedServers(rig.database, rig.sealer).add(server.url)
    first, second = rig.worker(), rig.worker()
    async with working(first):
        await is_up(rig, first)
    async with working(second):
        await is_up(rig, second)

        assert (await rig.ended(await rig.submit(picture()))).state is JobState.SUCCEEDED


async def test_a_server_that_is_removed_ends_its_jobs_takes_no_more_and_is_forgotten(
    rig: Rig, server: Server
) -> None:
    book = AddedServers(rig.database, rig.sealer)
    worker = rig.worker()

    async def is_forgotten() -> bool:
        return not await servers(rig) and server.url not in worker.urls

    await book.add(server.url)
    async with working(worker):
        await is_up(rig, worker)  # the probe is a prompt, too
        hold = server.faults.nodes.hold(class_type="EmptyImage")
        running = await rig.submit(picture())
        await rig.until(running, lambda now: now.state is JobState.RUNNING)
        await book.remove(server.url)
        assert [one.wanted for one in await servers(rig)] == ["drained"]
        await until(lambda: _is_heard_of(worker, server))
        waiting = await rig.submit(picture(1))
        hold.release()

        assert (await rig.ended(running)).state is JobState.SUCCEEDED
        await until(is_forgotten)
        assert (await rig.now(waiting)).state is JobState.QUEUED


async def _is_heard_of(worker: Worker, server: Server) -> bool:
    """Whether a worker knows that a server is to be left: until then it may take another job for it."""
    return worker._servers[server.url].state.wanted == "drained"


async def test_of_two_workers_one_looks_after_it(rig: Rig, server: Server) -> None:
    first, second = rig.worker(), rig.worker()
    async with working(first), working(second):
        await AddedServers(rig.database, rig.sealer).add(server.url)
        jobs = [await rig.submit(picture(number)) for number in range(3)]
        ended = [await rig.ended(job) for job in jobs]

        assert len({job.worker for job in ended}) == 1
        assert sorted(len(worker.urls) for worker in (first, second)) == [0, 1]


async def test_another_worker_takes_it_up_when_its_own_has_died(rig: Rig, server: Server) -> None:
    dies, stays = rig.worker(stalled_after=2.0), rig.worker(stalled_after=2.0)
    task = asyncio.create_task(dies.run(asyncio.Event()))
    await AddedServers(rig.database, rig.sealer).add(server.url)
    await is_up(rig, dies)
    async with working(stays):
        task.cancel()
        await asyncio.wait([task])
        # Its silence is not waited for.
        await rig.database.do("UPDATE servers SET seen_at = now() + interval '1 hour'")
        await is_up(rig, stays)

        assert (await rig.ended(await rig.submit(picture()))).worker == stays.name


async def test_what_is_said_of_one_server_has_no_other_looked_at(rig: Rig) -> None:
    worker = rig.worker("http://127.0.0.1:1", "http://127.0.0.1:2")

    worker._heard("comfywire_servers", "http://127.0.0.1:2")
    worker._heard("comfywire_servers", "")  # a worker has died

    assert [server._is_asked.is_set() for server in worker._servers.values()] == [False, True]


async def test_a_worker_that_is_started_with_it_has_it(rig: Rig, server: Server) -> None:
    own, named = rig.worker(pace=replace(FAST, queue=0.2)), rig.worker(server.url)

    async def has_let_go() -> bool:
        return not own.urls

    async with working(own):
        await AddedServers(rig.database, rig.sealer).add(server.url)
        await is_up(rig, own)
        async with working(named):
            await until(has_let_go)
            await is_up(rig, named)
            assert [one.is_added for one in await servers(rig)] == [False]

            assert (await rig.ended(await rig.submit(picture()))).worker == named.name


async def test_one_that_is_down_harms_no_other(rig: Rig, server: Server) -> None:
    async with working(rig.worker(server.url)):
        await AddedServers(rig.database, rig.sealer).add("http://127.0.0.1:1")
        await until(
            lambda: rig.database.one("SELECT 1 FROM servers WHERE url LIKE '%%:1' AND worker IS NOT NULL")
        )

        assert (await rig.ended(await rig.submit(picture()))).server == server.url
