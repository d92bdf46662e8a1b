from __future__ import annotations

import time

import pytest
from tests.server.wire import Feed, Wire, image

from comfywire.server import Server


async def test_a_held_node_goes_on_when_it_is_released(server: Server, wire: Wire, feed: Feed):
    gate = server.faults.nodes.hold(class_type="SaveImage")
    prompt_id = await wire.submit(image(), feed)
    await server.until_executing(prompt_id, "2")

    assert server.life.queue.is_running(prompt_id)
    gate.release()

    assert "execution_success" in await feed.until_end(prompt_id)


async def test_a_held_node_can_be_interrupted(server: Server, wire: Wire, feed: Feed):
    server.faults.nodes.hold(node_id="2")
    prompt_id = await wire.submit(image(), feed)
    await server.until_executing(prompt_id, "2")

    await wire.post("/interrupt", {"prompt_id": prompt_id})

    assert "execution_interrupted" in await feed.until_end(prompt_id)


async def test_a_slow_node_reports_progress(server: Server, wire: Wire, feed: Feed):
    server.faults.nodes.slow(0.05, steps=5, node_id="1")

    await feed.until_end(await wire.submit(image(), feed))

    assert [(data["value"], data["max"]) for data in feed.of("progress")] == [(n, 5) for n in range(1, 6)]


async def test_a_silent_node_says_nothing_for_a_while(server: Server, wire: Wire, feed: Feed):
    server.faults.nodes.silent(0.1, node_id="1")
    begin = time.monotonic()

    await feed.until_end(await wire.submit(image(), feed))

    assert time.monotonic() - begin >= 0.1
    assert feed.of("progress") == []


@pytest.mark.parametrize("exception_type", ["RuntimeError", "torch.OutOfMemoryError"])
async def test_a_failing_node_raises_what_was_asked_for(
    server: Server, wire: Wire, feed: Feed, exception_type
):
    server.faults.nodes.fail("out of luck", exception_type=exception_type, class_type="SaveImage")

    prompt_id = await wire.submit(image(), feed)
    await feed.until_end(prompt_id)

    (error,) = feed.of("execution_error")
    assert (error["node_id"], error["node_type"]) == ("2", "SaveImage")
    assert (error["exception_type"], error["exception_message"]) == (exception_type, "out of luck\n")
    assert (await wire.history(prompt_id))["status"]["status_str"] == "error"


async def test_a_zombie_worker_leaves_its_prompt_running_for_ever(server: Server, wire: Wire):
    server.faults.nodes.kill_worker(node_id="1")
    prompt_id = await wire.submit(image())
    await server.until(lambda: bool(server.runs(prompt_id)) and server.runs(prompt_id)[0].how == "died")

    after = await wire.submit(image(5))
    _, queue = await wire.get("/queue")

    assert [item[1] for item in queue["queue_running"]] == [prompt_id]
    assert [item[1] for item in queue["queue_pending"]] == [after]


async def test_a_rule_about_another_prompt_does_not_strike(server: Server, wire: Wire, feed: Feed):
    rule = server.faults.nodes.fail(prompt_id="another", times=None)

    await feed.until_end(await wire.submit(image(), feed))

    assert rule.hits == 0


async def test_clearing_releases_what_is_held(server: Server, wire: Wire, feed: Feed):
    server.faults.nodes.hold()
    prompt_id = await wire.submit(image(), feed)
    await server.until_executing(prompt_id, "1")

    server.faults.clear()

    assert "execution_success" in await feed.until_end(prompt_id)
