from __future__ import annotations

import asyncio

import aiohttp
import pytest
from tests.server.wire import Feed, Wire, image

from comfywire.server import Server


@pytest.mark.parametrize(
    ("how", "ends_with"),
    [
        pytest.param("close", aiohttp.WSMsgType.CLOSE, id="a-close-frame"),
        pytest.param("fin", aiohttp.WSMsgType.CLOSED, id="FIN-without-one"),
        pytest.param("rst", aiohttp.WSMsgType.ERROR, id="RST"),
    ],
)
async def test_a_socket_is_cut_in_the_way_that_was_asked_for(server, feed, how, ends_with):
    cut = asyncio.create_task(server.faults.sockets.cut(how))

    frame = await feed.ws.receive(60)
    await feed.ws.close()

    assert await cut == 1
    assert frame.type in (ends_with, aiohttp.WSMsgType.CLOSED)
    if how == "close":
        assert frame.data == 1001


async def test_only_the_named_client_is_cut(server, wire, feed):
    other = await wire.feed()

    await server.faults.sockets.cut(client_id=feed.client_id)
    await wire.submit(image(), other)

    assert (await other.next())["type"] == "status"


async def test_a_half_open_socket_does_not_even_answer_pings(server: Server, wire: Wire, feed: Feed):
    server.faults.sockets.half_open(client_id=feed.client_id)
    await feed.ws.ping()

    prompt_id = await wire.submit(image(), feed)
    await server.until_done(prompt_id)

    with pytest.raises(TimeoutError):
        await feed.ws.receive(0.1)


async def test_a_half_open_socket_that_ends_late_makes_the_new_one_deaf(
    server: Server, wire: Wire, feed: Feed
):
    opened = server.faults.sockets.half_open()
    second = await wire.feed(feed.client_id)
    opened.end()
    await server.until(lambda: len(server.life.sockets.opened) == 1)

    await server.until_done(await wire.submit(image(), second))

    with pytest.raises(TimeoutError):
        await second.ws.receive(0.1)


async def test_a_deaf_socket_answers_pings_and_hears_nothing(server: Server, wire: Wire, feed: Feed):
    server.faults.sockets.deafen()

    await server.until_done(await wire.submit(image(), feed))
    await feed.ws.ping()

    with pytest.raises(TimeoutError):
        await feed.ws.receive(0.1)
    assert not feed.ws.closed


async def test_sockets_to_come_can_be_deaf(server: Server, wire: Wire):
    server.faults.sockets.deafen(future=1)
    deaf = await wire.feed()
    hearing = await wire.feed()

    await server.until_done(await wire.submit(image(), deaf))

    assert (await hearing.next())["type"] == "status"
    with pytest.raises(TimeoutError):
        await deaf.ws.receive(0.1)


async def test_a_stalled_reader_holds_up_everybody_while_http_goes_on(server: Server, wire: Wire, feed: Feed):
    stalled = await server.faults.sockets.stalled_reader()

    prompt_id = await wire.submit(image(), feed)
    await server.until(lambda: bool(server.life.queue.history_of(prompt_id)))

    assert (await wire.history(prompt_id))["status"]["completed"]
    with pytest.raises(TimeoutError):
        await feed.ws.receive(0.1)
    stalled.release()
    assert "execution_success" in await feed.until_end(prompt_id)
