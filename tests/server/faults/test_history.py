from __future__ import annotations

import time

import pytest
from tests.server.wire import Feed, Wire, image

from comfywire.server import Server


async def test_a_held_entry_is_in_neither_queue_nor_history(server: Server, wire: Wire):
    rule = server.faults.history.hold()
    prompt_id = await wire.submit(image())
    await server.until_idle()

    _, queue = await wire.get("/queue")
    hidden = await wire.history(prompt_id)
    rule.remove()

    assert queue == {"queue_running": [], "queue_pending": []}
    assert hidden == {}
    assert (await wire.history(prompt_id))["status"]["completed"]


async def test_a_held_entry_appears_when_its_time_is_over(server: Server, wire: Wire):
    server.faults.history.hold(0.05)
    prompt_id = await wire.submit(image())
    await server.until_idle()

    begin = time.monotonic()
    while not await wire.history(prompt_id):
        pass

    assert time.monotonic() - begin >= 0.05


async def test_a_held_entry_is_not_in_the_list_either(server: Server, wire: Wire):
    server.faults.history.hold(prompt_id="mine")
    await wire.submit(image(1), prompt_id="mine")
    other = await wire.submit(image(2))
    await server.until_idle()

    assert set((await wire.get("/history"))[1]) == {other}


async def test_a_late_entry_leaves_the_prompt_running_after_its_success(
    server: Server, wire: Wire, feed: Feed
):
    server.faults.history.late(60)
    prompt_id = await wire.submit(image(), feed)
    await feed.until("execution_success")

    _, queue = await wire.get("/queue")

    assert await wire.history(prompt_id) == {}
    assert [item[1] for item in queue["queue_running"]] == [prompt_id]


async def test_a_late_entry_is_there_before_the_end_is_told(server: Server, wire: Wire, feed: Feed):
    server.faults.history.late(0.1)
    begin = time.monotonic()
    prompt_id = await wire.submit(image(), feed)

    await feed.until_end(prompt_id)

    assert await wire.history(prompt_id)
    assert time.monotonic() - begin >= 0.1


@pytest.mark.parametrize("everything", [False, True])
async def test_an_evicted_entry_is_gone(server: Server, wire: Wire, everything):
    first, second = await wire.submit(image(1)), await wire.submit(image(2))
    await server.until_idle()

    server.faults.history.evict(prompt_id=None if everything else first)

    assert await wire.history(first) == {}
    assert bool(await wire.history(second)) is not everything


async def test_an_entry_can_be_made_untruthful(server: Server, wire: Wire):
    prompt_id = await wire.submit(image())
    await server.until_idle()

    server.faults.history.alter(prompt_id, status=None)

    assert (await wire.history(prompt_id))["status"] is None
