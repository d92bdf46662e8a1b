from __future__ import annotations

import asyncio
import time

import aiohttp
import pytest
from tests.server.wire import Feed, Wire, image

from comfywire.server import Server
from comfywire.server.faults import JUNK

FIRST = ["execution_start", "execution_cached", "progress_state", "executing", "progress_state"]
SECOND = ["progress_state", "executing", "executed", "progress_state"]
NORMAL = [*FIRST, *SECOND, "execution_success", "executing"]


async def test_without_faults_a_prompt_is_told_in_comfyuis_order(wire: Wire, feed: Feed):
    prompt_id = await wire.submit(image(), feed)

    assert await feed.until_end(prompt_id) == NORMAL


async def test_a_dropped_message_is_all_that_is_missing(server: Server, wire: Wire, feed: Feed):
    rule = server.faults.messages.drop("executed")

    kinds = await feed.until_end(await wire.submit(image(), feed))

    assert kinds == [kind for kind in NORMAL if kind != "executed"]
    assert rule.hits == 1


async def test_messages_of_another_prompt_are_not_dropped(server: Server, wire: Wire, feed: Feed):
    server.faults.messages.drop("executed", prompt_id="another", times=None)

    assert await feed.until_end(await wire.submit(image(), feed)) == NORMAL


async def test_a_rule_can_let_the_first_occasions_pass(server: Server, wire: Wire, feed: Feed):
    server.faults.messages.drop("executing", skip=1)

    prompt_id = await wire.submit(image(), feed)
    await feed.until_end(prompt_id)

    assert [data["node"] for data in feed.of("executing")] == ["1", None]


async def test_a_repeated_message_comes_again_at_once(server: Server, wire: Wire, feed: Feed):
    server.faults.messages.repeat("execution_success", copies=2)

    kinds = await feed.until_end(await wire.submit(image(), feed))

    assert kinds[-4:] == ["execution_success"] * 3 + ["executing"]


async def test_a_reordered_message_comes_behind_the_next(server: Server, wire: Wire, feed: Feed):
    server.faults.messages.reorder("execution_start", behind=2)

    kinds = await feed.until_end(await wire.submit(image(), feed))

    assert kinds[:3] == ["execution_cached", "progress_state", "execution_start"]
    assert sorted(kinds) == sorted(NORMAL)


async def test_a_delayed_message_holds_up_what_follows(server: Server, wire: Wire, feed: Feed):
    server.faults.messages.delay(0.1, "execution_start")
    begin = time.monotonic()

    kinds = await feed.until_end(await wire.submit(image(), feed))

    assert kinds == NORMAL
    assert time.monotonic() - begin >= 0.1


async def test_a_message_delayed_alone_holds_up_no_other(server: Server, wire: Wire, feed: Feed):
    server.faults.messages.delay(60, "executed", holds_up_others=False)

    kinds = await feed.until_end(await wire.submit(image(), feed))

    assert kinds == [kind for kind in NORMAL if kind != "executed"]


async def test_a_message_delayed_alone_comes_in_the_end(server: Server, wire: Wire, feed: Feed):
    server.faults.messages.delay(0.1, "executed", holds_up_others=False)
    begin = time.monotonic()

    await wire.submit(image(), feed)
    await feed.until("executed")

    assert time.monotonic() - begin >= 0.1


@pytest.mark.parametrize("when", ["before", "after"])
async def test_sockets_are_cut_at_a_message(server: Server, wire: Wire, feed: Feed, when):
    server.faults.messages.cut_sockets_at("execution_success", how="fin", when=when)

    prompt_id = await wire.submit(image(), feed)
    with pytest.raises(EOFError):
        await feed.until_end(prompt_id)

    assert len(feed.of("execution_success")) == (1 if when == "after" else 0)


async def test_junk_arrives_as_it_is(server: Server, feed: Feed):
    await server.faults.messages.junk(client_id=feed.client_id)

    heard = [(await feed.ws.receive(60)).data for _ in JUNK]

    assert heard == list(JUNK)


@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
async def test_an_oversized_frame_has_the_size_that_was_asked_for(server: Server, feed: Feed, binary):
    size = 5 * 1024 * 1024

    sent = asyncio.create_task(server.faults.messages.oversized(size, binary=binary))
    frame = await feed.ws.receive(60)
    await sent

    assert len(frame.data) >= size
    assert frame.type is (aiohttp.WSMsgType.BINARY if binary else aiohttp.WSMsgType.TEXT)


async def test_foreign_messages_name_a_foreign_prompt(server: Server, feed: Feed):
    await server.faults.messages.foreign(prompt_id="theirs")

    kinds = [(await feed.next())["type"] for _ in range(4)]

    assert kinds == ["progress_state", "progress", "execution_interrupted", "executing"]
    assert {one["data"]["prompt_id"] for one in feed.heard[1:]} == {"theirs"}


async def test_clearing_sends_what_was_held_back(server: Server, wire: Wire, feed: Feed):
    server.faults.messages.reorder("executing", behind=1000, skip=2)
    prompt_id = await wire.submit(image(), feed)
    await feed.until("execution_success")

    server.faults.clear()

    assert await feed.until_end(prompt_id)
