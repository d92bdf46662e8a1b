"""What goes wrong beside the ComfyUI's own errors: no job may hang because of it, or end untruthfully."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from tests.service.conftest import execute, new_key
from tests.service.making import NEED, claimed, job
from tests.service.rig import FAST, Rig, picture, runs_of, until, up, working

from comfywire.client import Client
from comfywire.server import Server
from comfywire.service.api.models import RetryPolicy
from comfywire.service.database.pool import Database
from comfywire.service.fleet.registry import Registry
from comfywire.service.jobs.claims import Fenced, KeptOutput
from comfywire.service.jobs.leases import Leases
from comfywire.service.jobs.records import JobRecord, Retry
from comfywire.service.jobs.states import JobState
from comfywire.service.jobs.store import Store
from comfywire.service.worker.duties import for_ever
from comfywire.service.worker.pace import Pace
from comfywire.service.worker.surroundings import Surroundings

NOWHERE = "http://127.0.0.1:9"
IMPATIENT = replace(FAST, put_off=(0.01, 0.01))
AWAY = "SELECT 1 FROM servers WHERE url = %(url)s AND reason NOT IN ('', 'not probed yet')"


async def reading(rig: Rig, **fields: object) -> JobRecord:
    """A job that reads an asset."""

    async def content() -> AsyncIterator[bytes]:
        yield b"\x89PNG no picture"

    asset, _ = await rig.assets.create(rig.key_id, content(), content_type="image/png", file_path="x.png")
    reference = {"__type": "core/ASSET", "info": {"id": str(asset.id)}}
    load = {
        "1": {"class_type": "LoadImage", "inputs": {"image": reference}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "y"}},
    }
    return await rig.submit(load, inputs=[asset.id], **fields)


async def on_a_server(rig: Rig, url: str, **fields: object) -> JobRecord:
    """A job that a worker was about to send to ``url`` when it died."""
    record = await rig.submit(picture(), **fields)
    dead = Leases(rig.store, "dead")
    taken = await rig.store.queue.take(record.need, await rig.store.queue.register())
    assert taken is not None
    claim = await dead.claim(taken)
    assert claim is not None
    await dead.will_submit(claim.lease, url)
    return record


async def test_a_job_that_nothing_helps_fails_in_the_end(rig: Rig, server: Server) -> None:
    async with working(rig.worker(server.url, stalled_after=1.0, pace=IMPATIENT)):
        ended = await rig.ended(await rig.submit(picture(), secret=b"sealed by somebody else"))

    assert (ended.state, ended.attempt, runs_of(server, ended)) == (JobState.FAILED, 3, 0)
    assert ended.error is not None
    assert ended.error["code"] == "internal_error"


async def test_an_output_that_the_server_does_not_give_out_fails_the_job(rig: Rig, server: Server) -> None:
    async with working(rig.worker(server.url)):
        await up(rig)
        server.faults.replies.fail("GET /view", 403, times=None)
        ended = await rig.ended(await rig.submit(picture()))
        (found,) = await rig.database.all("SELECT state FROM servers")

    assert ended.error is not None
    assert (ended.error["code"], runs_of(server, ended)) == ("outputs_unavailable", 1)
    assert found["state"] == "up"


async def test_outputs_on_a_server_that_is_not_ours_are_asked_for_again(rig: Rig, server: Server) -> None:
    record = await on_a_server(rig, server.url)
    async with Client(server.url) as client:
        prompt = await client.submit(picture(), prompt_id=str(record.id))
        await prompt.result()
    server.faults.replies.fail("GET /view", 503, times=6)  # the client makes five tries by itself

    async with working(rig.worker(NOWHERE, stalled_after=0.5)):
        ended = await rig.ended(record)

    assert (ended.state, ended.submissions, runs_of(server, ended)) == (JobState.SUCCEEDED, 1, 1)


async def test_files_that_the_server_refuses_fail_the_job_in_the_end(rig: Rig, server: Server) -> None:
    async with working(rig.worker(server.url, pace=IMPATIENT)):
        await up(rig)
        server.faults.replies.fail("POST /upload/image", 413, times=None)
        ended = await rig.ended(await reading(rig))
        (found,) = await rig.database.all("SELECT state FROM servers")

    assert ended.error is not None
    assert (ended.error["code"], ended.submissions, found["state"]) == ("server_error", 0, "up")


async def test_files_whose_way_broke_off_cost_nothing_of_what_may_run_once(rig: Rig, server: Server) -> None:
    async with working(rig.worker(server.url, pace=IMPATIENT)):
        await up(rig)
        server.faults.replies.drop("POST /upload/image", when="before", times=1)
        record = await reading(rig, retry=Retry(lost=False, errors=(), max_attempts=1))
        ended = await rig.ended(record)

    assert ended.error is None or ended.error["code"] != "lost"
    assert ended.submissions == 1


async def test_what_a_worker_did_not_send_because_it_was_late_is_not_lost(
    rig: Rig, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = [Fenced()]
    check = Surroundings.check_lease

    def check_lease(around: Surroundings) -> None:
        if late:
            raise late.pop()
        check(around)

    monkeypatch.setattr(Surroundings, "check_lease", check_lease)
    async with working(rig.worker(server.url)):
        ended = await rig.ended(await rig.submit(picture(), retry=Retry(lost=False, max_attempts=1)))

    assert (ended.state, ended.error, ended.submissions) == (JobState.SUCCEEDED, None, 1)
    assert not late


async def test_a_job_on_a_server_that_nobody_knows_is_repeated_elsewhere(rig: Rig, server: Server) -> None:
    record = await on_a_server(rig, NOWHERE)

    async with working(rig.worker(server.url, stalled_after=0.5, server_patience=1.0)):
        ended = await rig.ended(record)

    assert (ended.state, ended.server, ended.submissions) == (JobState.SUCCEEDED, server.url, 2)


async def test_a_job_on_a_server_out_of_reach_is_left_to_a_worker_that_reaches_it(
    rig: Rig, server: Server
) -> None:
    await server.faults.life.refuse_connections()  # one worker does not reach it, which we act out in time
    record = await on_a_server(rig, server.url)
    async with working(rig.worker(NOWHERE, stalled_after=0.5, server_patience=60.0)):
        await rig.until(record, lambda now: now.attempt >= 2 and now.worker is None)
        await server.faults.life.accept_connections()
        async with Client(server.url) as client:
            await (await client.submit(picture(), prompt_id=str(record.id))).result()
        async with working(rig.worker(server.url, stalled_after=0.5)):
            ended = await rig.ended(record)

    assert (ended.state, ended.submissions, runs_of(server, ended)) == (JobState.SUCCEEDED, 1, 1)


async def test_what_is_on_the_server_of_a_worker_that_lives_is_for_that_worker(
    store: Store, key_id: UUID
) -> None:
    await store.submit(job(key_id))
    mine = Leases(store, "worker")
    lease = (await claimed(store, mine)).lease
    await mine.will_submit(lease, "http://there")
    await mine.hand_back(lease, "it stops")
    await store.database.do("INSERT INTO servers (url, worker, state) VALUES ('http://there', 'owner', 'up')")
    number = await store.queue.register()

    assert await store.queue.take_submitted(number, "other", seconds=60) is None
    assert await store.queue.take_submitted(number, "owner", seconds=60) is not None


async def test_a_server_that_goes_while_it_is_probed_takes_nobody_along(rig: Rig, server: Server) -> None:
    server.faults.nodes.hold(class_type="EmptyImage")
    async with Server() as other, working(rig.worker(server.url, other.url, server_patience=0.5)):
        await server.until(lambda: any(run.end is None for run in server.log))
        await server.faults.life.kill()
        await until(lambda: rig.database.one(AWAY, url=server.url))
        ended = await rig.ended(await rig.submit(picture()))

    assert (ended.state, ended.server) == (JobState.SUCCEEDED, other.url)


async def test_a_server_that_was_never_reached_is_in_the_log_once(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    async with working(rig.worker(NOWHERE, pace=Pace(probes=(0.01,)))):
        await until(lambda: rig.database.one(AWAY, url=NOWHERE))
        told = await rig.database.one("SELECT seen_at FROM servers")
        await until(
            lambda: rig.database.one("SELECT 1 FROM servers WHERE seen_at > %(seen_at)s", **told or {})
        )

    (line,) = [one.getMessage() for one in caplog.records if NOWHERE in one.getMessage()]
    assert line.startswith(f"{NOWHERE} is not up: ")


async def test_what_was_canceled_before_it_was_sent_ends_though_no_server_can_take_it(rig: Rig) -> None:
    record = await rig.submit(picture())
    taken = await rig.store.queue.take(record.need, await rig.store.queue.register())
    assert taken is not None
    await Leases(rig.store, "dead").claim(taken)
    canceling = await rig.store.cancel(record.id)
    assert canceling is not None
    assert canceling.state is JobState.CANCELING

    async with working(rig.worker(NOWHERE, stalled_after=0.5)):
        ended = await rig.ended(record)

    assert ended.state is JobState.CANCELED


async def test_a_job_that_was_lost_may_still_run_out_of_memory_once(rig: Rig, server: Server) -> None:
    async with working(rig.worker(server.url)):
        await up(rig)
        server.faults.nodes.hold(class_type="EmptyImage")
        record = await rig.submit(picture())
        await rig.until(record, lambda now: now.state is JobState.RUNNING)
        server.faults.nodes.fail("memory", exception_type="torch.OutOfMemoryError", class_type="SaveImage")
        await server.faults.life.restart()
        ended = await rig.ended(record)

    assert (ended.state, ended.submissions) == (JobState.SUCCEEDED, 3)


def test_what_must_not_run_again_does_not_for_want_of_memory_either() -> None:
    assert RetryPolicy(lost=False).policy().errors == ()
    assert RetryPolicy(lost=False, errors=["OutOfMemory"]).policy().errors == ("OutOfMemory",)
    assert Retry.of({"lost": False}).errors == ()


async def test_what_no_database_can_keep_is_kept_without_it(store: Store, key_id: UUID) -> None:
    record = await store.submit(job(key_id))
    mine = Leases(store, "worker")
    lease = (await claimed(store, mine)).lease
    output_of_a_node = KeptOutput(
        position=0,
        node_id="1",
        class_type=None,
        key="text",
        kind="text",
        name="a\0",
        bytes=None,
        value=["\0", float("inf"), "\ud800"],
    )

    await mine.progress(lease, {"value": float("nan"), "message": "\0"})
    await mine.keep(lease, output_of_a_node)
    await mine.end(lease, JobState.FAILED, "no\0", error={"message": "\0"}, warnings=["\0"])

    (output,) = await store.outputs(record.id)
    ended = await store.get(record.id)
    assert ended is not None
    assert (output.name, output.value) == ("a\ufffd", ["\ufffd", None, "\ufffd"])
    assert (ended.error, ended.warnings) == ({"message": "\ufffd"}, ["\ufffd"])


async def test_a_submission_that_is_written_down_twice_counts_once(store: Store, key_id: UUID) -> None:
    record = await store.submit(job(key_id))
    mine = Leases(store, "worker")
    lease = (await claimed(store, mine)).lease

    async def count_after(step: Awaitable[object]) -> int:
        await step
        found = await store.get(record.id)
        assert found is not None
        return found.submissions

    sent = [await count_after(mine.will_submit(lease, "http://there")) for _ in range(2)]
    unsent = [await count_after(mine.was_not_submitted(lease)) for _ in range(2)]

    assert (sent, unsent) == ([1, 1], [0, 0])


async def test_catalogues_that_no_server_has_any_more_are_forgotten(store: Store, key_id: UUID) -> None:
    registry = Registry(store.database)
    await registry.keep_catalogue({"old": {}})
    await store.database.do("UPDATE catalogues SET created_at = now() - interval '2 hours'")
    new = await registry.keep_catalogue({"new": {}})

    await registry.tidy()

    assert [one["digest"] for one in await store.database.all("SELECT digest FROM catalogues")] == [new]


async def test_needs_that_are_gone_are_told_to_those_who_know_them(store: Store, key_id: UUID) -> None:
    await store.submit(job(key_id))

    assert await Registry(store.database).forgotten([NEED, "gone"]) == ["gone"]


async def test_a_duty_that_broke_down_begins_anew() -> None:
    times, done = 0, asyncio.Event()

    async def duty() -> None:
        nonlocal times
        times += 1
        if times < 3:
            raise KeyError("a bug")
        done.set()

    doing = asyncio.create_task(for_ever("a duty", duty, pause=0.01))
    await done.wait()
    doing.cancel()


async def test_a_worker_stops_within_a_bound_while_the_database_is_away(
    rig: Rig, server: Server, postgres: str
) -> None:
    worker = rig.worker(server.url, drain_timeout=0.0, pace=Pace(hand_back=0.2, leave=0.2))
    try:
        async with asyncio.timeout(30), working(worker):
            await up(rig)
            server.faults.nodes.hold(class_type="EmptyImage")
            record = await rig.submit(picture())
            await rig.until(record, lambda now: now.state is JobState.RUNNING)
            switch(postgres, rig.database, on=False)
    finally:
        switch(postgres, rig.database, on=True)


def switch(postgres: str, database: Database, *, on: bool) -> None:
    """Let the database be away, or come back."""
    name = urlsplit(database.url).path.removeprefix("/")
    execute(postgres, f"ALTER DATABASE {name} ALLOW_CONNECTIONS {on}")
    if not on:
        execute(postgres, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")


async def test_a_secret_goes_to_the_server_that_runs_the_job_and_nowhere_else(
    rig: Rig, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    sealed = rig.sealer.seal({"my_token": "sk-sesame"})
    async with working(rig.worker(server.url)):
        record = await rig.ended(await rig.submit(picture(), secret=sealed))
        async with Client(server.url) as client:
            history = await client.history(str(record.id))

    tables = await rig.database.all(
        "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'comfywire'"
    )
    kept = [await rig.database.all(f"SELECT own::text FROM {table['name']} AS own") for table in tables]
    assert history[str(record.id)]["prompt"][3]["my_token"] == "sk-sesame"
    assert "sesame" not in str(kept)
    assert "sesame" not in caplog.text


@pytest.mark.parametrize("route", ["POST /upload/image", "POST /prompt"])
async def test_an_error_that_one_key_s_data_provoked_takes_the_server_from_nobody(
    rig: Rig, server: Server, route: str
) -> None:
    other = await new_key(rig.database, "another")
    async with working(rig.worker(server.url)):
        await up(rig)
        rule = server.faults.replies.fail(route, 500)
        mine = await reading(rig)
        await server.until(lambda: rule.is_spent)
        theirs = await rig.ended(await rig.submit(picture(7), key_id=other))
        (found,) = await rig.database.all("SELECT state, counts FROM servers")
        await rig.store.cancel(mine.id)
        await rig.ended(mine)

    assert theirs.state is JobState.SUCCEEDED
    assert (found["state"], "down" in found["counts"]) == ("up", False)
