"""A prompt is queued once, whatever becomes of the reply; and ended alone, whoever else runs."""

import asyncio
import contextlib
from typing import Any

import pytest
from tests.soon import SOON, soon

from comfywire import (
    Client,
    ConnectionFailed,
    ConnectionLost,
    JobInterrupted,
    JobLost,
    JobTimedOut,
    ServerError,
)
from comfywire.server import Server

from .conftest import held, names, picture

GRACE = 6


@pytest.mark.fault("B19")
@pytest.mark.parametrize(
    ("when", "kind"),
    [
        pytest.param("after", "drop", id="the-reply-is-lost"),
        pytest.param("after", "fail-500", id="a-500-although-it-was-queued"),
        pytest.param("after", "fail-503", id="a-503-although-it-was-queued"),
        pytest.param("after", "cut", id="half-a-reply"),
        pytest.param("before", "drop", id="the-request-is-lost"),
        pytest.param("before", "fail-503", id="a-503-and-nothing-queued"),
    ],
)
async def test_a_lost_reply_never_makes_a_prompt_run_twice(
    server: Server, hasty: Client, when: Any, kind: str
) -> None:
    if kind == "drop":
        server.faults.replies.drop("POST /prompt", when=when)
    elif kind == "cut":
        server.faults.replies.cut_body("POST /prompt", 10)
    else:
        server.faults.replies.fail("POST /prompt", int(kind[5:]), when=when)

    result = await soon(hasty.run(picture()), GRACE)

    assert names(result) == ["c1_00001_.png"]
    assert [run.prompt_id for run in server.log] == [result.prompt_id]


@pytest.mark.fault("B19")
async def test_a_pending_prompt_whose_reply_was_lost_is_adopted_and_not_sent_again(
    server: Server, client: Client
) -> None:
    async with held(server, client):
        server.faults.replies.drop("POST /prompt", when="after")
        job = await soon(client.submit(picture(2)))

    assert names(await soon(job.result())) == ["c2_00001_.png"]
    assert server.requests["POST /prompt"] == 2


@pytest.mark.fault("B19")
async def test_a_prompt_that_a_restarted_server_may_have_run_is_not_sent_again(
    server: Server, hasty: Client
) -> None:
    await soon(hasty.run(picture(1)))
    server.faults.messages.drop(times=None)  # nothing tells us that it was queued, and ran
    server.faults.replies.stall("POST /prompt", when="after")
    submitting = asyncio.create_task(hasty.submit(picture(2)))
    await server.until(lambda: [run.how for run in server.log] == ["success", "success"])
    await server.faults.life.kill(restart_after=0.2)

    with pytest.raises(ConnectionLost, match="may have run it before"):
        await submitting

    assert server.requests["POST /prompt"] == 2


@pytest.mark.fault("B19")
async def test_a_prompt_that_a_cleared_history_may_have_held_is_not_sent_again(
    server: Server, hasty: Client
) -> None:
    """Found by the soak: deaf, the reply lost, and the history evicted, all at once."""
    await soon(hasty.run(picture(1)))
    server.faults.sockets.deafen(future=None)
    server.faults.history.evict()
    server.faults.history.hold(times=None)
    server.faults.replies.drop("POST /prompt", when="after")

    with pytest.raises((ConnectionLost, JobLost)):  # nowhere; or seen in the queue, and then nowhere
        await soon((await hasty.submit(picture(2))).result(), SOON + 5)

    assert [run.how for run in server.log] == ["success", "success"]
    assert server.requests["POST /prompt"] == 2


@pytest.mark.fault("B19")
async def test_a_lost_request_is_sent_again_although_the_socket_was_lost_too(
    server: Server, hasty: Client
) -> None:
    await soon(hasty.run(picture()))
    server.faults.replies.drop("POST /prompt", when="before")
    submitting = asyncio.create_task(hasty.run(picture(2)))
    await server.until(lambda: server.requests["POST /prompt"] == 2)
    await server.faults.sockets.cut("rst")

    assert names(await soon(submitting, GRACE)) == ["c2_00001_.png"]
    assert len(server.log) == 2


@pytest.mark.fault("B19")
async def test_a_server_that_answers_500_and_queues_nothing_is_believed(
    server: Server, hasty: Client
) -> None:
    server.faults.replies.fail("POST /prompt", 500, body="it broke", times=None)

    with pytest.raises(ServerError, match="POST /prompt was answered 500: it broke"):
        await hasty.submit(picture())

    assert (server.log, server.requests["POST /prompt"]) == ([], 1)


@pytest.mark.fault("B19")
async def test_a_prompt_whose_reply_never_comes_is_adopted_by_its_messages(
    server: Server, hasty: Client
) -> None:
    server.faults.replies.stall("POST /prompt", when="after")

    result = await soon(hasty.run(picture()), SOON + 5)

    assert names(result) == ["c1_00001_.png"]
    assert len(server.log) == 1


async def test_a_state_read_that_is_never_answered_is_made_again(server: Server) -> None:
    server.faults.replies.stall("GET /history/{prompt_id}")

    async with Client(server.url, read_timeout=0.5) as client:
        assert names(await soon(client.run(picture()))) == ["c1_00001_.png"]


async def test_a_server_that_is_not_there_is_named(server: Server) -> None:
    await server.faults.life.kill()

    async with Client(server.url) as client:
        with pytest.raises(ConnectionFailed, match=f"no ComfyUI was reached at {server.url}"):
            await client.submit(picture())


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_cancelled_submission_leaves_nothing_behind(
    server: Server, client: Client, when: Any
) -> None:
    async with held(server, client):
        stalled = server.faults.replies.delay("POST /prompt", 0.4, when=when)
        submitting = asyncio.create_task(client.submit(picture(2)))
        await server.until(lambda: stalled.hits > 0)

        submitting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await submitting

        assert (await client.queue()).pending == ()
    await server.until_idle()
    assert len(server.log) == 1


@pytest.mark.fault("B18")
async def test_cancelling_a_pending_prompt_ends_it_alone(server: Server, client: Client) -> None:
    async with held(server, client) as running:
        pending, other = [await client.submit(picture(number)) for number in (2, 3)]

        assert await soon(pending.cancel()) is True
        with pytest.raises(JobInterrupted, match="cancelled before it ran"):
            await pending.result()

    assert names(await soon(running.result())) == ["c1_00001_.png"]
    assert names(await soon(other.result())) == ["c3_00001_.png"]
    assert server.runs(pending.prompt_id) == []


@pytest.mark.fault("B18")
async def test_cancelling_a_running_prompt_ends_it_alone(server: Server, client: Client) -> None:
    server.faults.nodes.slow(30, class_type="SaveImage")
    running = await client.submit(picture())
    await server.until_executing(running.prompt_id, "2")
    other = await client.submit(picture(2))

    assert await running.cancel() is True

    with pytest.raises(JobInterrupted):
        await running.result()
    assert names(await soon(other.result())) == ["c2_00001_.png"]
    assert [run.how for run in server.log] == ["interrupted", "success"]


@pytest.mark.fault("B18")
async def test_cancelling_in_the_last_millisecond_never_ends_the_next_prompt(
    server: Server, client: Client
) -> None:
    for round_number in range(10):
        ending = await client.submit(picture(round_number))
        following = await client.submit(picture(100 + round_number))
        for _ in range(10 * round_number):
            await asyncio.sleep(0)  # another moment of its life each time
        await ending.cancel()

        assert names(await soon(following.result())) == [f"c{100 + round_number}_00001_.png"]


@pytest.mark.fault("B18")
async def test_an_interrupt_that_comes_too_late_never_hits_the_next_prompt(
    server: Server, client: Client
) -> None:
    server.faults.replies.stall("POST /interrupt")
    async with held(server, client) as ending:
        cancelling = asyncio.create_task(ending.cancel())
        await server.until(lambda: server.requests["POST /interrupt"] == 1)
    await server.until_done(ending.prompt_id)
    async with held(server, client, picture(2)) as following:
        server.faults.replies.release()
        assert await cancelling is False

    assert names(await soon(following.result())) == ["c2_00001_.png"]


@pytest.mark.fault("B18")
async def test_a_prompt_that_has_ended_is_not_cancelled(server: Server, client: Client) -> None:
    job = await client.submit(picture())
    await soon(job.result())

    assert await job.cancel() is False
    assert server.requests["POST /interrupt"] == 0


@pytest.mark.fault("B18")
@pytest.mark.parametrize("route", ["POST /queue", "GET /queue"])
async def test_a_lost_reply_to_a_cancel_changes_nothing(server: Server, client: Client, route: str) -> None:
    async with held(server, client) as running:
        pending = await client.submit(picture(2))
        server.faults.replies.drop(route, when="after")
        with contextlib.suppress(Exception):
            await pending.cancel()

        assert await pending.cancel() is True
    assert names(await soon(running.result())) == ["c1_00001_.png"]


@pytest.mark.fault("B18")
@pytest.mark.parametrize("route", ["POST /jobs/{job_id}/cancel", "GET /jobs"])
async def test_a_lost_reply_to_a_cancel_changes_nothing_on_newer_servers(newer: Server, route: str) -> None:
    async with Client(newer.url) as client:
        async with held(newer, client) as running:
            pending = await client.submit(picture(2))
            lost = newer.faults.replies.drop(route, when="after")
            with contextlib.suppress(Exception):
                await pending.cancel()

            assert await pending.cancel() is True
            assert lost.hits == 1
        assert names(await soon(running.result())) == ["c1_00001_.png"]


async def test_a_jobs_own_limit_cancels_it_on_the_server(server: Server, client: Client) -> None:
    server.faults.nodes.slow(30, class_type="SaveImage")
    job = await client.submit(picture())
    await server.until_executing(job.prompt_id, "2")

    with pytest.raises(JobTimedOut, match=r"did not end within 0\.2 seconds and was cancelled"):
        await job.result(timeout=0.2)

    assert [run.how for run in server.log] == ["interrupted"]


async def test_newer_servers_are_asked_to_cancel_by_their_own_route(newer: Server) -> None:
    async with Client(newer.url) as client:
        async with held(newer, client) as running:
            pending = await client.submit(picture(2))
            assert await pending.cancel() is True

        assert names(await soon(running.result())) == ["c1_00001_.png"]
        assert newer.requests["POST /queue"] == 0
