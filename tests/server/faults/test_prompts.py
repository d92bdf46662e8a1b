from __future__ import annotations

import pytest
from tests.server.wire import Feed, Wire, image, text_to_image

from comfywire.server import Server


async def test_another_client_deletes_a_pending_prompt(server: Server, wire: Wire):
    gate = server.faults.nodes.hold()
    await wire.submit(image(1))
    pending = await wire.submit(image(2))

    assert server.faults.prompts.delete(pending)
    gate.release()
    await server.until_idle()

    assert await wire.history(pending) == {}
    assert server.runs(pending) == []


async def test_another_client_clears_the_queue(server: Server, wire: Wire):
    gate = server.faults.nodes.hold()
    running = await wire.submit(image(1))
    await wire.submit(image(2))
    await server.until_executing(running, "1")

    server.faults.prompts.clear()
    gate.release()
    await server.until_idle()

    assert [run.prompt_id for run in server.log] == [running]


async def test_another_client_interrupts_and_earlier_outputs_stay(server: Server, wire: Wire, feed: Feed):
    two = image() | {"3": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}}
    server.faults.nodes.hold(node_id="3")
    prompt_id = await wire.submit(two, feed)
    await server.until_executing(prompt_id, "3")

    server.faults.prompts.interrupt()
    kinds = await feed.until_end(prompt_id)

    assert "execution_interrupted" in kinds
    assert set((await wire.history(prompt_id))["outputs"]) == {"2"}


async def test_a_foreign_prompt_without_client_id_is_heard_by_everybody(server: Server, feed: Feed):
    foreign = await server.faults.prompts.submit(text_to_image())
    await server.until_idle()
    await server.faults.prompts.submit(image(), client_id=feed.client_id)
    await feed.until("execution_start")

    assert {data["prompt_id"] for data in feed.of("progress")} == {foreign}
    assert len(feed.frames) == 3
    assert feed.of("executed") == []


async def test_a_foreign_prompt_has_to_validate(server: Server):
    with pytest.raises(ValueError, match="no outputs"):
        await server.faults.prompts.submit({})
