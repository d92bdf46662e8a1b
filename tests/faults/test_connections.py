"""The socket drops, goes deaf or comes late; the server goes away and comes back."""

import asyncio
from typing import Any

import aiohttp
import pytest
from tests.soon import soon

from comfywire import Client, ConnectionLost, ExecutionStart, JobLost
from comfywire.server import Server

from .conftest import held, names, picture


@pytest.mark.fault("B1")
@pytest.mark.parametrize("how", ["close", "fin", "rst"])
async def test_a_socket_that_drops_and_comes_back_costs_nothing(
    server: Server, client: Client, how: Any
) -> None:
    async with held(server, client) as job:
        await server.faults.sockets.cut(how)
        await server.until(lambda: server.requests["GET /ws"] >= 3)  # a fresh one, and the old id again

    result = await soon(job.result())

    assert names(result) == ["c1_00001_.png"]
    assert len(server.runs(job.prompt_id)) == 1


@pytest.mark.fault("B1")
async def test_progress_goes_on_after_the_socket_came_back(server: Server, client: Client) -> None:
    gate = server.faults.nodes.hold(class_type="EmptyImage")
    job = await client.submit(picture())
    await server.until_executing(job.prompt_id, "1")
    lost = server.life.sockets.by_sid[client.client_id]
    await server.faults.sockets.cut("rst")
    await server.until(lambda: server.life.sockets.by_sid.get(lost.sid) not in (None, lost))

    gate.release()
    heard = [type(event).__name__ async for event in job.events()]

    assert "Executed" in heard
    assert heard[-1] == "Executing"


@pytest.mark.fault("B2")
async def test_a_prompt_that_ends_while_the_socket_is_gone_is_not_missed(
    server: Server, client: Client
) -> None:
    async with held(server, client) as job:
        server.faults.replies.fail("GET /ws", 503, times=None)
        await server.faults.sockets.cut("rst")
    await server.until_done(job.prompt_id)

    result = await soon(job.result())

    assert names(result) == ["c1_00001_.png"]


@pytest.mark.fault("B3")
async def test_an_old_socket_that_ends_late_leaves_nobody_deaf(server: Server, client: Client) -> None:
    async with held(server, client) as job:
        half = server.faults.sockets.half_open()
        await server.faults.sockets.cut("rst")
        await server.until(lambda: server.requests["GET /ws"] >= 3)
        half.end()  # its handler unregisters the new socket of the same id

    assert names(await soon(job.result())) == ["c1_00001_.png"]
    later = await soon(client.run(picture(2)))
    assert names(later) == ["c2_00001_.png"]


@pytest.mark.fault("B3")
async def test_a_deaf_socket_is_noticed_and_replaced(server: Server, hasty: Client) -> None:
    await soon(hasty.run(picture(1)))
    first_id = hasty.client_id
    server.faults.sockets.deafen()

    result = await soon(hasty.run(picture(2)), 6)

    assert names(result) == ["c2_00001_.png"]
    await server.until(lambda: hasty.client_id != first_id)
    await soon(hasty.run(picture(3)), 1)  # the new socket hears


@pytest.mark.fault("B3")
async def test_a_deaf_socket_is_replaced_while_the_prompt_still_runs(server: Server, hasty: Client) -> None:
    await soon(hasty.run(picture(1)))
    first_id = hasty.client_id
    deaf = server.life.sockets.by_sid[first_id]
    gate = server.faults.nodes.hold(class_type="SaveImage")
    server.faults.sockets.deafen()

    job = await hasty.submit(picture(2))
    await server.until(lambda: hasty.client_id != first_id)
    await server.until(lambda: not server.life.sockets.by_sid.get(first_id, deaf).is_deaf)
    gate.release()
    heard = [type(event).__name__ async for event in job.events()]

    assert "Executed" in heard, "the old id was reopened, and brings the progress"


@pytest.mark.fault("B3")
async def test_a_socket_that_goes_deaf_in_mid_prompt_costs_two_seconds(
    server: Server, client: Client
) -> None:
    async with held(server, client) as job:
        await server.until(lambda: server.requests["GET /ws"] >= 2)  # the witness of its silence
        server.faults.sockets.deafen(client_id=client.client_id)
        await asyncio.sleep(4)  # a probe was made meanwhile, and the next is not due for as long again

    assert names(await soon(job.result())) == ["c1_00001_.png"]


@pytest.mark.fault("B3")
async def test_sockets_that_stay_deaf_cost_time_and_no_result(server: Server, hasty: Client) -> None:
    """Another reader has stalled the server's publish loop: every socket is deaf, HTTP goes on."""
    server.faults.sockets.deafen(future=None)
    before = server.requests.total()

    results = [await soon(hasty.run(picture(color)), 6) for color in (1, 2)]

    assert [names(result) for result in results] == [["c1_00001_.png"], ["c2_00001_.png"]]
    assert server.requests.total() - before < 60


@pytest.mark.fault("B4")
async def test_a_cached_prompt_that_ends_at_once_is_not_missed(server: Server, client: Client) -> None:
    await soon(client.run(picture()))
    server.faults.replies.delay("POST /prompt", 0.3, when="after")

    result = await soon(client.run(picture()), 1.3)

    assert names(result) == ["c1_00001_.png"]


@pytest.mark.fault("B4")
async def test_a_prompt_that_ended_before_we_came_is_found_at_once(server: Server, client: Client) -> None:
    done = await soon(client.run(picture()))

    async with Client(server.url) as another:
        result = await soon(another.attach(done.prompt_id).result(), 1)

    assert names(result) == ["c1_00001_.png"]


@pytest.mark.fault("B5")
async def test_a_prompt_that_ends_between_two_reads_is_not_lost(server: Server, client: Client) -> None:
    async with held(server, client) as job:
        server.faults.replies.fail("GET /ws", 503, times=None)
        server.faults.replies.delay("GET /history/{prompt_id}", 0.2, when="after", times=None)
        server.faults.replies.delay("GET /queue", 0.2, when="after", times=None)
        await server.faults.sockets.cut("rst")
        await server.until(lambda: server.requests["GET /queue"] >= 1)

    assert names(await soon(job.result(), 5)) == ["c1_00001_.png"]


@pytest.mark.fault("B10")
async def test_a_restarted_server_loses_what_it_had_and_nothing_else(server: Server, client: Client) -> None:
    async with held(server, client) as running:
        pending = await client.submit(picture(2))
        await server.faults.life.kill(restart_after=0.3)
        both = asyncio.gather(running.result(), pending.result(), return_exceptions=True)
        lost = await soon(both, 8)

    assert [type(error) for error in lost] == [JobLost, JobLost]
    assert "last seen in its messages" in str(lost[0])
    assert "last seen in the reply to its submission" in str(lost[1])
    assert "restarted" in str(lost[1])
    assert names(await soon(client.run(picture(3)), 5)) == ["c3_00001_.png"]


@pytest.mark.fault("B10")
async def test_a_lost_prompt_is_submitted_again_where_the_caller_asked_for_it(
    server: Server, client: Client
) -> None:
    gate = server.faults.nodes.hold(class_type="SaveImage")
    running = asyncio.create_task(client.run(picture(), resubmit=1))
    await server.until(lambda: bool(server.log))
    await server.faults.life.kill(restart_after=0.3)
    gate.release()

    result = await soon(running, 10)

    assert names(result) == ["c1_00001_.png"]
    assert [run.prompt_id for run in server.log] == [result.prompt_id] * 2
    assert [run.how for run in server.log] == ["stopped", "success"]


@pytest.mark.fault("B11")
async def test_a_server_that_refuses_connections_for_a_while_is_waited_for(
    server: Server, client: Client
) -> None:
    async with held(server, client) as job:
        await server.faults.life.refuse_connections(5)

    assert names(await soon(job.result(), 9)) == ["c1_00001_.png"]
    assert len(server.runs(job.prompt_id)) == 1


@pytest.mark.fault("B11")
async def test_a_proxy_that_answers_503_for_a_while_says_nothing_about_a_prompt(
    server: Server, client: Client
) -> None:
    async with held(server, client) as job:
        outage = server.faults.replies.fail("*", 503, times=None)
        await server.faults.sockets.cut("rst")
        await server.until(lambda: outage.hits >= 6)
    await server.until_done(job.prompt_id)

    outage.remove()

    assert names(await soon(job.result(), 4)) == ["c1_00001_.png"]


async def test_a_server_that_never_comes_back_ends_the_wait_in_time(server: Server) -> None:
    async with Client(server.url, unreachable_timeout=1.0) as client, held(server, client) as job:
        await server.faults.life.kill()

        with pytest.raises(ConnectionLost, match="has not answered for 1 seconds"):
            await soon(job.result(), 5)


async def test_a_silent_node_costs_a_handful_of_requests(server: Server, client: Client) -> None:
    server.faults.nodes.silent(6, class_type="SaveImage")
    job = await client.submit(picture())
    await server.until_executing(job.prompt_id, "2")
    before = server.requests.total()

    await soon(job.result(), 10)

    assert server.requests.total() - before <= 6
    assert server.requests["GET /ws"] == 2, "a silent node is no deaf socket: it has a witness, and stays"


async def test_a_reader_that_has_stalled_the_servers_events_holds_up_no_result(
    server: Server, hasty: Client
) -> None:
    await soon(hasty.run(picture(1)))
    stalled = await server.faults.sockets.stalled_reader()

    result = await soon(hasty.run(picture(2)), 8)

    assert names(result) == ["c2_00001_.png"]
    stalled.release()


async def test_the_first_socket_is_open_before_the_first_submission(server: Server) -> None:
    server.faults.replies.stall("GET /ws")

    async with Client(server.url) as client:
        submission = asyncio.create_task(client.submit(picture()))
        await server.until(lambda: server.requests["GET /ws"] == 1)
        before = server.requests["POST /prompt"]
        server.faults.replies.release()
        events = [event async for event in (await submission).events()]

    assert before == 0
    assert isinstance(events[0], ExecutionStart)


async def test_what_another_socket_hears_proves_nothing_about_ours(server: Server, hasty: Client) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{server.url}/ws?clientId=other") as other,
    ):
        await soon(hasty.run(picture(1)))
        first_id = hasty.client_id
        server.faults.sockets.deafen(client_id=first_id)

        await soon(hasty.run(picture(2)), 6)
        await server.until(lambda: hasty.client_id != first_id)
        assert not other.closed
