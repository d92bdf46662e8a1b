"""Sockets that come and go, workers and servers that die, and many who listen: each hears how it stands."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import websockets
from tests.client.graphs import image
from tests.service.relay.conftest import are_up, worker_of
from tests.service.relay.streams import FLAGS, PASSING, stream
from tests.service.rig import until, working
from tests.service.serving import application, asking, serving

from comfywire.service.core import open_core
from comfywire.service.database.pool import Database
from comfywire.service.relay.hub import NATIVE

APART = pytest.mark.parametrize("apart", [False, True], ids=["one-process", "two-processes"])


async def test_every_socket_of_a_client_id_hears_its_jobs_and_no_other_does(faces):
    async with (
        faces() as face,
        stream(face.url, "me") as one,
        stream(face.url, "me", path="/api/ws") as two,
        stream(face.url, "you") as other,
    ):
        job = await face.queue(image(), "me")
        await one.until_over(str(job.id))
        await two.until_over(str(job.id))
        later = await face.queue(image(color=1), "you")
        await other.until_over(str(later.id))

    assert one.kinds(*PASSING, "status") == two.kinds(*PASSING, "status")
    assert {told.get("prompt_id") for kind, told in other.told if kind not in ("status", "binary")} == {
        str(later.id)
    }


async def test_the_same_client_id_of_another_key_hears_nothing(faces):
    async with faces() as face:
        mine, yours = [(await face.core.access.create(name, ("native",)))[1] for name in ("mine", "yours")]
        headers = [{"Authorization": f"Bearer {secret}"} for secret in (mine, yours)]
        async with (
            stream(face.url, "same", additional_headers=headers[0]) as one,
            stream(face.url, "same", additional_headers=headers[1]) as other,
        ):
            await one.until_over(str((await face.queue(image(), "same", secret=mine)).id))
            later = await face.queue(image(color=1), "same", secret=yours)
            await other.until_over(str(later.id))

    assert {told["prompt_id"] for told in other.of("executing")} == {str(later.id)}


async def test_editors_hear_of_a_prompt_that_has_begun_and_find_it_running_then(faces):
    """They read the queue after a status, and after nothing else (comfyui-frontend-package 1.58.1)."""
    running: list[str] = []
    async with faces() as face, stream(face.url, "me") as mine, asking(base_url=face.url) as client:
        gate = face.servers[0].faults.nodes.hold(class_type="SaveImage")
        job = await face.queue(image(), "me")
        while not running:
            await mine.until(lambda kind, _: kind == "status", seconds=60)
            running = [item[1] for item in (await client.get("/queue")).json()["queue_running"]]
        gate.release()

    assert running == [str(job.id)]


async def test_a_key_in_the_path_opens_a_socket(faces):
    async with faces() as face:
        _, secret = await face.core.access.create("mine", ("native",))
        async with stream(face.url, "me", path=f"/k/{secret}/ws") as mine:
            job = await face.queue(image(), "me", secret=secret)
            await mine.until_over(str(job.id))


async def test_who_has_no_client_id_is_given_one(faces):
    async with faces(works=False) as face, stream(face.url) as one, stream(face.url) as two:
        sids = {told[0][1]["sid"] for told in (one.told, two.told)}

    assert len(sids) == 2


@APART
async def test_who_comes_in_mid_run_is_told_how_it_stands(faces, apart):
    async with faces(apart=apart) as face, stream(face.url, "me") as early:
        held = face.servers[0].faults.nodes.hold(node_id="2")
        job = await face.queue(image(), "me")
        await early.until(lambda kind, told: kind == "executing" and told["node"] == "2")
        async with stream(face.url, "me") as late:
            await late.until(lambda kind, _: kind == "progress_state")
            before = late.kinds("status")
            held.release()
            await late.until_over(str(job.id))
        await early.until_over(str(job.id))

    assert before == ["execution_start", "execution_cached", "executing", "progress_state"]
    assert late.of("executing")[0]["node"] == "2"
    assert late.kinds("status", *PASSING)[3:] == ["executed", "execution_success", "executing"]
    assert early.kinds().count("execution_start") == 1


async def test_who_was_away_when_it_ended_is_told_the_end_on_coming_back(faces):
    async with faces() as face:
        async with stream(face.url, "me"):
            held = face.servers[0].faults.nodes.hold(node_id="2")
            job = await face.queue(image(), "me")
        await until(lambda: all_have_left(face.core.database))
        # News of the end that come late are told to whoever is there by then.
        async with hearing(face.core.database, f"ended {job.key_id} {job.id}") as told:
            held.release()
            await told.wait()
        async with stream(face.url, "me") as again:
            await again.until_over(str(job.id))
        async with stream(face.url, "me") as third:
            later = await face.queue(image(color=1), "me")
            await third.until_over(str(later.id))

    assert again.kinds("status") == [
        "execution_start",
        "execution_cached",
        "executed",
        "execution_success",
        "executing",
    ]
    assert {told["prompt_id"] for told in third.of("executing")} == {str(later.id)}


async def all_have_left(database: Database) -> bool:
    """Whether each socket was noticed to be closed, and that is written down."""
    found = await database.one("SELECT count(*) AS open FROM native_sockets WHERE closed_at IS NULL")
    return found is not None and found["open"] == 0


@contextlib.asynccontextmanager
async def hearing(database: Database, news: str) -> AsyncIterator[asyncio.Event]:
    """An event that is set once the hub of a process has heard of something: they share a connection."""
    told, listens = asyncio.Event(), asyncio.Event()

    def hear(_: str, payload: str) -> None:
        if payload == news:
            told.set()

    listening = asyncio.create_task(database.listen([NATIVE], hear, listens.set))
    await listens.wait()
    yield told
    listening.cancel()
    await asyncio.wait([listening])


@APART
async def test_a_job_whose_server_was_killed_begins_again_and_ends_once(faces, apart):
    async with faces(2, apart=apart) as face, stream(face.url, "me") as mine:
        for server in face.servers:
            server.faults.nodes.hold(node_id="2")
        job = await face.queue(image(), "me")
        await mine.until(lambda kind, told: kind == "executing" and told["node"] == "2")
        running = next(server for server in face.servers if server.runs(str(job.id)))
        (other,) = {*face.servers} - {running}
        other.faults.clear()
        await running.faults.life.kill()
        await mine.until_over(str(job.id))

    assert [len(server.runs(str(job.id))) for server in (running, other)] == [1, 1]
    assert mine.kinds(*PASSING, "status") == [
        "execution_start",
        "execution_cached",
        "executing",
        "executing",
        "execution_cached",
        "executing",
        "executing",
        "executed",
        "execution_success",
        "executing",
    ]


async def test_a_worker_that_stops_hands_the_job_on_and_the_end_is_told(faces):
    async with faces(works=False) as face, stream(face.url, "me") as mine:
        hasty = replace(face.core, settings=replace(face.core.settings, drain_timeout=0.0))
        async with working(worker_of(hasty, face.servers)):
            await until(lambda: are_up(face.core, 1))
            held = face.servers[0].faults.nodes.hold(node_id="2")
            job = await face.queue(image(), "me")
            await mine.until(lambda kind, told: kind == "executing" and told["node"] == "2")
        assert not (await face.core.store.get(job.id)).is_over
        async with working(worker_of(face.core, face.servers)):
            held.release()
            await mine.until_over(str(job.id))

    assert len(face.servers[0].runs(str(job.id))) == 1
    assert mine.kinds(*PASSING, "status")[-3:] == ["executed", "execution_success", "executing"]
    assert mine.kinds().count("execution_success") == 1


async def test_a_socket_of_a_service_that_starts_again_is_told_what_it_missed(faces):
    async with faces(apart=True) as face:
        held = face.servers[0].faults.nodes.hold(node_id="2")
        async with stream(face.url, "me") as mine:
            job = await face.queue(image(), "me")
            await mine.until(lambda kind, told: kind == "executing" and told["node"] == "2")
        async with (
            open_core(face.core.settings) as again,
            serving(application(again)) as url,
            stream(url, "me") as mine,
        ):
            await mine.until(lambda kind, _: kind == "executing")
            held.release()
            await mine.until_over(str(job.id))

    assert mine.kinds(*PASSING, "status")[-3:] == ["executed", "execution_success", "executing"]


async def test_a_client_id_has_an_end(faces):
    async with faces(works=False) as face:
        with pytest.raises(websockets.InvalidStatus) as refused:
            async with stream(face.url, "x" * 201):
                pass

    assert refused.value.response.status_code in (400, 422)


async def test_who_says_too_much_loses_the_socket(faces):
    async with faces(works=False) as face, stream(face.url, "me") as mine:
        await mine.socket.send("x" * (70 << 10))
        with pytest.raises(websockets.ConnectionClosedError) as closed:
            await mine.until(lambda *_: False)

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


async def flags_told(mine):
    """Whether the service's own flags are told before the next thing that it tells for certain."""
    await mine.until(lambda kind, told: kind in ("feature_flags", "status"))
    return mine.told[-1][0] == "feature_flags"


@pytest.mark.parametrize(
    ("before", "is_answered"),
    [("{not json", True), (b"bytes", True), ('{"type": "hello"}', False), ("[]", False)],
)
async def test_feature_flags_are_taken_from_the_first_frame_that_is_json(faces, before, is_answered):
    async with faces(works=False) as face, stream(face.url, "me") as mine:
        await mine.socket.send(before)
        await mine.socket.send(FLAGS)
        await mine.socket.ping()  # answered after what was said before has been read
        await face.queue(image(), "me")

        assert await flags_told(mine) == is_answered


@pytest.mark.parametrize("said", ["no json", "[]", '{"type": "feature_flags", "data": 3}', b"\0\1"])
async def test_what_nobody_understands_changes_nothing(faces, said):
    async with faces(works=False) as face, stream(face.url, "me") as mine:
        await mine.socket.send(said)
        job = await face.queue(image(), "me")
        await mine.until(lambda kind, told: told.get("status", {}).get("exec_info") == {"queue_remaining": 1})

    assert job.id


async def test_pages_of_other_sites_get_no_socket(faces):
    async with faces(works=False) as face:
        with pytest.raises(websockets.InvalidStatus) as refused:
            async with stream(face.url, "me", origin="http://evil.example"):
                pass
        async with stream(face.url, "me", origin=face.url):
            pass

    assert refused.value.response.status_code == 403
