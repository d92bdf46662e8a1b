from __future__ import annotations

import time

import aiohttp
import pytest
from tests.server.wire import Feed, Wire, image

from comfywire.server import Server


async def test_a_killed_server_comes_back_on_its_port_with_nothing(server: Server, wire: Wire, feed: Feed):
    server.faults.nodes.hold(prompt_id="running")
    done = await wire.submit(image(1), feed)
    await feed.until_end(done)
    await wire.submit(image(2), feed, prompt_id="running")
    await wire.submit(image(3), feed, prompt_id="pending")
    await server.until_executing("running", "1")
    url = server.url

    await server.faults.life.kill()
    with pytest.raises(aiohttp.ClientConnectionError):
        await wire.get("/queue")
    await server.faults.life.restart()

    assert server.url == url
    assert (await wire.get("/queue"))[1] == {"queue_running": [], "queue_pending": []}
    assert (await wire.get("/history"))[1] == {}
    assert [(run.prompt_id, run.how) for run in server.log] == [(done, "success"), ("running", "stopped")]


async def test_a_killed_server_can_come_back_by_itself(server: Server, wire: Wire):
    await server.faults.life.kill(restart_after=0.05)
    assert not server.is_running

    await server.until(lambda: server.is_running)

    assert (await wire.get("/queue"))[0] == 200


async def test_numbers_begin_again_after_a_restart(server: Server, wire: Wire):
    await wire.submit(image(1))
    await server.until_idle()

    await server.faults.life.restart()
    _, answer = await wire.post("/prompt", {"prompt": image(2)})

    assert answer["number"] == 0


async def test_kill_resets_the_sockets(server: Server, feed: Feed):
    await server.faults.life.kill()

    with pytest.raises(EOFError):
        await feed.next()


async def test_refused_connections_do_not_stop_prompts(server: Server, wire: Wire, feed: Feed):
    gate = server.faults.nodes.hold()
    prompt_id = await wire.submit(image(), feed)
    await server.until_executing(prompt_id, "1")

    await server.faults.life.refuse_connections()
    with pytest.raises(aiohttp.ClientConnectionError):
        await wire.get("/queue")
    gate.release()
    await server.until_idle()
    await server.faults.life.accept_connections()

    assert (await wire.history(prompt_id))["status"]["completed"]


async def test_connections_are_accepted_again_after_a_time(server: Server, wire: Wire):
    begin = time.monotonic()
    await server.faults.life.refuse_connections(0.05)

    while True:
        try:
            await wire.get("/queue")
            break
        except aiohttp.ClientConnectionError:
            continue

    assert time.monotonic() - begin >= 0.05


async def test_open_sockets_may_survive_while_new_ones_are_refused(server: Server, wire: Wire, feed: Feed):
    await server.faults.life.refuse_connections(drop_existing=False)

    await server.faults.prompts.submit(image(), client_id=feed.client_id)

    assert (await feed.until("execution_success"))["data"]["prompt_id"]
