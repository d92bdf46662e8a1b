from __future__ import annotations

import asyncio
import time

import aiohttp
import pytest
from tests.server.wire import Wire, image

from comfywire.server import Server

LOST = (aiohttp.ClientConnectionError, aiohttp.ServerDisconnectedError)


@pytest.mark.parametrize(("when", "ran"), [("before", 0), ("after", 1)])
async def test_a_dropped_reply_leaves_the_effect_that_was_asked_for(server: Server, wire: Wire, when, ran):
    server.faults.replies.drop("POST /prompt", when=when)

    with pytest.raises(LOST):
        await wire.post("/prompt", {"prompt": image(), "prompt_id": "mine"})
    await server.until_idle()

    assert len(server.runs("mine")) == ran


@pytest.mark.parametrize(("when", "ran"), [("before", 0), ("after", 1)])
@pytest.mark.parametrize("status", [500, 503])
async def test_a_failing_reply_leaves_the_effect_that_was_asked_for(
    server: Server, wire: Wire, when, ran, status
):
    server.faults.replies.fail("POST /prompt", status, when=when, body="sorry")

    answer = await wire.post("/api/prompt", {"prompt": image(), "prompt_id": "mine"})
    await server.until_idle()

    assert answer == (status, b"sorry")
    assert len(server.runs("mine")) == ran


async def test_a_rule_is_about_its_route_only(server: Server, wire: Wire):
    rule = server.faults.replies.fail("GET /history/{prompt_id}")

    assert (await wire.get("/queue"))[0] == 200
    assert (await wire.get("/history/any"))[0] == 503
    assert (await wire.get("/history/any"))[0] == 200
    assert rule.is_spent


async def test_a_delayed_reply_takes_longer(server: Server, wire: Wire):
    server.faults.replies.delay("GET /queue", 0.1)
    begin = time.monotonic()

    await wire.get("/queue")

    assert time.monotonic() - begin >= 0.1


async def test_a_stalled_reply_comes_when_it_is_released(server: Server, wire: Wire):
    rule = server.faults.replies.stall("GET /queue")
    asked = asyncio.create_task(wire.get("/queue"))
    await server.until(lambda: rule.hits == 1)

    server.faults.replies.release()

    assert (await asked)[0] == 200


async def saved(server: Server, wire: Wire) -> str:
    """Save a picture of some size and return how to view it."""
    prompt_id = await wire.submit(image(size=64))
    await server.until_done(prompt_id)
    entry = await wire.history(prompt_id)
    filename: str = entry["outputs"]["2"]["images"][0]["filename"]
    return f"/view?filename={filename}"


async def test_a_cut_download_announces_more_than_it_sends(server: Server, wire: Wire):
    path = await saved(server, wire)
    _, whole = await wire.get(path)
    server.faults.replies.cut_body("GET /view", 100)

    async with wire.session.get(path) as reply:
        announced = reply.content_length
        part = await reply.content.readexactly(100)
        with pytest.raises(aiohttp.ClientError):
            await reply.content.read()

    assert announced == len(whole)
    assert part == whole[:100]


async def test_the_rest_of_a_cut_download_can_be_had_by_range(server: Server, wire: Wire):
    path = await saved(server, wire)
    _, whole = await wire.get(path)

    status, rest = await wire.get(path, headers={"Range": "bytes=100-"})

    assert (status, rest) == (206, whole[100:])


async def test_the_rest_may_be_cut_again(server: Server, wire: Wire):
    path = await saved(server, wire)
    _, whole = await wire.get(path)
    server.faults.replies.cut_body("GET /view", 10)

    async with wire.session.get(path, headers={"Range": "bytes=100-"}) as reply:
        part = await reply.content.readexactly(10)

    assert (reply.status, part) == (206, whole[100:110])


async def test_without_range_support_the_whole_file_comes_again(server: Server, wire: Wire):
    path = await saved(server, wire)
    _, whole = await wire.get(path)
    server.faults.replies.ignore_range()

    async with wire.session.get(path, headers={"Range": "bytes=100-"}) as reply:
        answer = await reply.read()

    assert (reply.status, answer) == (200, whole)
    assert "Accept-Ranges" not in reply.headers


async def test_a_cut_json_body_is_no_json(server: Server, wire: Wire):
    server.faults.replies.cut_body("GET /queue", 5)

    with pytest.raises(aiohttp.ClientError):
        await wire.get("/queue")
