"""What a client hears of its prompt, in which order, and what history says when it may be read."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from tests.conformance.graphs import empty, failing, node, picture
from tests.server.wire import Feed, Wire


def about(feed: Feed, prompt_id: str) -> list[dict[str, Any]]:
    return [one for one in feed.heard if one["data"].get("prompt_id") == prompt_id]


def told(feed: Feed, prompt_id: str) -> list[Any]:
    """Type and node of each message about a prompt, however often progress is told in between."""
    pairs = [
        one["type"] if one["type"] == "progress_state" else (one["type"], one["data"].get("node", ""))
        for one in about(feed, prompt_id)
    ]
    return [pair for pair, _ in groupby(pairs)]


async def test_a_prompt_is_told_from_start_to_end(wire: Wire, feed: Feed):
    prompt_id = await wire.submit(picture(), feed)
    await feed.until_end(prompt_id)

    assert told(feed, prompt_id) == [
        ("execution_start", ""),
        ("execution_cached", ""),
        "progress_state",
        ("executing", "1"),
        "progress_state",
        ("executing", "2"),
        ("executed", "2"),
        "progress_state",
        ("execution_success", ""),
        ("executing", None),
    ]


async def test_between_success_and_the_end_the_queue_is_told_to_be_shorter(wire: Wire, feed: Feed):
    prompt_id = await wire.submit(picture(), feed)
    await feed.until_end(prompt_id)

    success, status, end = feed.heard[-3:]
    assert (success["type"], end["type"]) == ("execution_success", "executing")
    assert status == {"type": "status", "data": {"status": {"exec_info": {"queue_remaining": 0}}}}


async def test_the_messages_have_these_fields(wire: Wire, feed: Feed):
    prompt_id = await wire.submit(picture(), feed)
    await feed.until_end(prompt_id)

    fields = {one["type"]: set(one["data"]) for one in reversed(about(feed, prompt_id))}
    assert fields == {
        "execution_start": {"prompt_id", "timestamp"},
        "execution_cached": {"nodes", "prompt_id", "timestamp"},
        "executing": {"node", "display_node", "prompt_id"},
        "progress_state": {"prompt_id", "nodes"},
        "executed": {"node", "display_node", "output", "prompt_id"},
        "execution_success": {"prompt_id", "timestamp"},
    }
    assert feed.heard[-1]["data"] == {"node": None, "prompt_id": prompt_id}


async def test_progress_tells_every_node_that_has_begun(wire: Wire, feed: Feed):
    prompt_id = await wire.submit(picture(), feed)
    await feed.until_end(prompt_id)

    states = [one["data"]["nodes"] for one in about(feed, prompt_id) if one["type"] == "progress_state"]
    assert set(states[0]) == {"1"}
    assert states[0]["1"]["state"] == "running"
    assert states[-1]["2"] == {
        "value": 1.0,
        "max": 1.0,
        "state": "finished",
        "prompt_id": prompt_id,
        "node_id": "2",
        "display_node_id": "2",
        "real_node_id": "2",
        "parent_node_id": None,
    }
    assert [states[-1][each]["state"] for each in ("1", "2")] == ["finished", "finished"]


async def test_executed_names_the_files_that_history_names(wire: Wire, feed: Feed):
    prompt_id = await wire.submit(picture(count=2), feed)
    await feed.until_end(prompt_id)

    (executed,) = feed.of("executed")
    entry = await wire.history(prompt_id)
    assert entry["outputs"] == {"2": executed["output"]}
    assert [set(image) for image in executed["output"]["images"]] == [{"filename", "subfolder", "type"}] * 2
    assert {image["type"] for image in executed["output"]["images"]} == {"temp"}


async def test_history_is_there_when_the_end_is_told(wire: Wire, feed: Feed):
    prompt_id = await wire.submit(picture(), feed)
    await feed.until_end(prompt_id)

    entry = await wire.history(prompt_id)

    assert list(entry) == ["prompt", "outputs", "status", "meta"]
    assert entry["prompt"][1] == prompt_id
    assert (entry["status"]["status_str"], entry["status"]["completed"]) == ("success", True)
    its = {"node_id": "2", "display_node": "2", "parent_node": None, "real_node_id": "2"}
    assert entry["meta"] == {"2": its}


async def test_history_repeats_the_execution_messages(wire: Wire, feed: Feed):
    prompt_id = await wire.submit(picture(), feed)
    await feed.until_end(prompt_id)

    kinds = ("execution_start", "execution_cached", "execution_success")
    heard = [[one["type"], one["data"]] for one in about(feed, prompt_id) if one["type"] in kinds]
    assert (await wire.history(prompt_id))["status"]["messages"] == heard


async def test_the_same_prompt_again_is_told_as_cached(wire: Wire, feed: Feed):
    prompt = picture()
    first = await wire.submit(prompt, feed)
    await feed.until_end(first)

    second = await wire.submit(prompt, feed)
    await feed.until_end(second)

    assert told(feed, second) == [
        ("execution_start", ""),
        ("execution_cached", ""),
        ("executed", "2"),
        "progress_state",
        ("execution_success", ""),
        ("executing", None),
    ]
    assert sorted(feed.of("execution_cached")[-1]["nodes"]) == ["1", "2"]
    assert (await wire.history(second))["outputs"] == (await wire.history(first))["outputs"]


async def test_what_did_not_change_is_not_run_again(wire: Wire, feed: Feed):
    prompt = picture()
    await feed.until_end(await wire.submit(prompt, feed))
    prompt["3"] = node("ImageInvert", image=["1", 0])
    prompt["4"] = node("PreviewImage", images=["3", 0])

    prompt_id = await wire.submit(prompt, feed)
    await feed.until_end(prompt_id)

    executing = [one["data"]["node"] for one in about(feed, prompt_id) if one["type"] == "executing"]
    assert executing == ["3", "4", None]
    assert sorted((await wire.history(prompt_id))["outputs"]) == ["2", "4"]


async def test_an_error_is_told_with_what_is_known_of_it(wire: Wire, feed: Feed):
    prompt_id = await wire.submit(failing(), feed)
    await feed.until_end(prompt_id)

    once = [pair for pair in told(feed, prompt_id) if pair != "progress_state"]
    assert once[-3:] == [("executing", "2"), ("execution_error", ""), ("executing", None)]
    (error,) = feed.of("execution_error")
    assert set(error) == {
        "prompt_id",
        "node_id",
        "node_type",
        "executed",
        "exception_message",
        "exception_type",
        "traceback",
        "current_inputs",
        "current_outputs",
        "timestamp",
    }
    assert (error["node_id"], error["node_type"], error["executed"]) == ("2", "SaveImage", ["1"])
    assert error["exception_type"] == "Exception"
    assert error["exception_message"].startswith(
        "**** ERROR: Saving image outside the output folder is not allowed.\n full_output_folder: "
    )
    assert all(isinstance(line, str) for line in error["traceback"])
    assert error["traceback"]


async def test_an_error_tells_each_input_as_a_list(wire: Wire, feed: Feed):
    prompt_id = await wire.submit(failing(), feed)
    await feed.until_end(prompt_id)

    (error,) = feed.of("execution_error")
    inputs = error["current_inputs"]
    assert {"filename_prefix", "images"} <= set(inputs)
    assert inputs["filename_prefix"] == ["../../x"]
    assert isinstance(inputs["images"][0], str)


async def test_an_error_stands_in_history(wire: Wire, feed: Feed):
    prompt_id = await wire.submit(failing(), feed)
    await feed.until_end(prompt_id)

    entry = await wire.history(prompt_id)

    (error,) = feed.of("execution_error")
    assert entry["status"]["messages"][-1] == ["execution_error", error]
    assert (entry["status"]["status_str"], entry["status"]["completed"]) == ("error", False)
    assert (entry["outputs"], entry["meta"]) == ({}, {})


async def test_outputs_that_were_made_before_an_error_are_kept(wire: Wire, feed: Feed):
    prompt = {**picture(), "3": node("ImageInvert", image=["1", 0])}
    prompt["4"] = node("SaveImage", images=["3", 0], filename_prefix="../../x")

    prompt_id = await wire.submit(prompt, feed)
    await feed.until_end(prompt_id)

    assert [one["node"] for one in feed.of("executed")] == ["2"]
    assert list((await wire.history(prompt_id))["outputs"]) == ["2"]


async def test_the_prompt_after_an_error_runs(wire: Wire, feed: Feed):
    await feed.until_end(await wire.submit(failing(), feed))

    prompt_id = await wire.submit(picture(), feed)

    assert "execution_success" in await feed.until_end(prompt_id)
    assert (await wire.history(prompt_id))["status"]["status_str"] == "success"


async def test_an_interrupt_is_told_with_where_it_struck(wire: Wire, feed: Feed, running: str):
    await wire.post("/interrupt", {"prompt_id": running})
    await feed.until_end(running)

    once = [pair for pair in told(feed, running) if pair != "progress_state"]
    assert once[-2:] == [("execution_interrupted", ""), ("executing", None)]
    (interrupted,) = feed.of("execution_interrupted")
    assert set(interrupted) == {"prompt_id", "node_id", "node_type", "executed", "timestamp"}
    entry = await wire.history(running)
    assert entry["status"]["messages"][-1] == ["execution_interrupted", interrupted]
    assert (entry["status"]["status_str"], entry["status"]["completed"]) == ("error", False)


async def test_a_refused_prompt_is_not_told_at_all(wire: Wire, feed: Feed):
    refused = await wire.post("/prompt", {"prompt": {}, "client_id": feed.client_id})
    await feed.until_end(await wire.submit(picture(), feed))

    assert refused[0] == 400
    assert len(feed.of("execution_start")) == 1


async def test_a_batch_is_one_run_and_several_files(wire: Wire, feed: Feed):
    prompt = {"1": empty(count=3), "2": node("PreviewImage", images=["1", 0])}

    prompt_id = await wire.submit(prompt, feed)
    await feed.until_end(prompt_id)

    assert [one["node"] for one in feed.of("executing")] == ["1", "2", None]
    images = (await wire.history(prompt_id))["outputs"]["2"]["images"]
    assert len({image["filename"] for image in images}) == 3
