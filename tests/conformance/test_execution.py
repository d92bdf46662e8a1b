"""Nodes that take time, fail, block, expand: those of ComfyUI's own test pack, where a server has them.

A real one loads them with ``--extra-model-paths-config tests/execution/extra_model_paths.yaml``.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from tests.conformance.conftest import Place
from tests.conformance.graphs import Prompt, empty, node
from tests.server.wire import Feed, Wire


@pytest.fixture(autouse=True)
async def only_with_the_test_pack(wire: Wire) -> None:
    if (await wire.get("/object_info/TestSleep"))[1] == {}:
        pytest.skip("this server was started without ComfyUI's testing nodes")


def shown(**nodes: dict[str, Any]) -> Prompt:
    """A picture, the nodes given as n2, n3 ..., and a preview of the last one."""
    named = {"1": empty(), **{key[1:]: one for key, one in nodes.items()}}
    return {**named, "9": node("PreviewImage", images=[list(named)[-1], 0])}


async def run(wire: Wire, feed: Feed, prompt: Prompt) -> dict[str, Any]:
    """Run a prompt and return its history entry."""
    prompt_id = await wire.submit(prompt, feed)
    await feed.until_end(prompt_id)
    return await wire.history(prompt_id)


def kinds(entry: dict[str, Any]) -> list[str]:
    return [kind for kind, _ in entry["status"]["messages"]]


async def test_progress_is_told_by_value_and_as_state(wire: Wire, feed: Feed):
    await run(wire, feed, shown(n2=node("TestSleep", value=["1", 0], seconds=0.3)))

    progress = feed.of("progress")
    assert all(set(one) == {"value", "max", "prompt_id", "node"} for one in progress)
    assert {one["node"] for one in progress} == {"2"}
    values = [one["value"] for one in progress]
    assert values == sorted(values)
    assert values[-1] <= progress[-1]["max"]
    states = [one["nodes"]["2"] for one in feed.of("progress_state") if "2" in one["nodes"]]
    assert [state["value"] for state in states] == sorted(state["value"] for state in states)
    assert (states[0]["state"], states[-1]["state"]) == ("running", "finished")


async def test_progress_is_told_as_it_comes_by_old_servers_and_ten_times_a_second_by_new_ones(
    place: Place, wire: Wire, feed: Feed
):
    await run(wire, feed, shown(n2=node("TestSleep", value=["1", 0], seconds=1)))

    seconds = [one["value"] for one in feed.of("progress")]
    gaps = [later - earlier for earlier, later in pairwise(seconds[:-1])]  # the last is told in any case
    assert all(gap > 0.05 for gap in gaps) if place.is_new else any(gap < 0.05 for gap in gaps)


async def test_asynchronous_nodes_run_at_once(wire: Wire, feed: Feed):
    prompt = shown(n2=node("TestSleep", value=["1", 0], seconds=0.3))
    prompt["3"] = node("TestSleep", value=["1", 0], seconds=0.3)
    prompt["4"] = node("PreviewImage", images=["3", 0])

    await run(wire, feed, prompt)

    running = [
        {node_id for node_id, one in state["nodes"].items() if one["state"] == "running"}
        for state in feed.of("progress_state")
    ]
    assert {"2", "3"} in running


async def test_a_sleeping_node_can_be_interrupted(wire: Wire, feed: Feed):
    prompt_id = await wire.submit(shown(n2=node("TestSleep", value=["1", 0], seconds=20)), feed)
    await feed.until("progress")

    await wire.post("/interrupt", {"prompt_id": prompt_id})
    await feed.until_end(prompt_id)

    (interrupted,) = feed.of("execution_interrupted")
    assert (interrupted["node_id"], interrupted["node_type"]) == ("2", "TestSleep")
    assert interrupted["executed"] == ["1"]


async def test_an_interrupt_without_a_submitter_is_told_to_everybody(wire: Wire, feed: Feed):
    prompt_id = await wire.submit(shown(n2=node("TestSleep", value=["1", 0], seconds=20)))
    await feed.until("progress")

    await wire.post("/interrupt", {"prompt_id": prompt_id})

    assert (await feed.until("execution_interrupted"))["data"]["prompt_id"] == prompt_id


async def test_an_error_without_a_submitter_is_told_to_nobody(wire: Wire, feed: Feed):
    error = node("TestSyncError", value=["1", 0])
    prompt_id = await wire.submit(shown(n2=error))
    await run(wire, feed, shown(n2=node("TestSleep", value=["1", 0], seconds=0)))

    assert [one for one in feed.of("execution_error") if one["prompt_id"] == prompt_id] == []
    assert kinds(await wire.history(prompt_id))[-1] == "execution_error"


@pytest.mark.parametrize("class_type", ["TestSyncError", "TestAsyncError"])
async def test_what_a_node_raises_is_told(wire: Wire, feed: Feed, class_type):
    inputs = (
        {"value": ["1", 0]} if class_type == "TestSyncError" else {"value": ["1", 0], "error_after": 0.05}
    )

    entry = await run(wire, feed, shown(n2=node(class_type, **inputs)))

    (error,) = feed.of("execution_error")
    assert (error["node_id"], error["node_type"]) == ("2", class_type)
    assert (error["exception_type"], error["executed"]) == ("RuntimeError", ["1"])
    assert error["exception_message"].endswith("\n")
    assert kinds(entry) == ["execution_start", "execution_cached", "execution_error"]


async def test_a_silent_blocker_skips_what_follows(wire: Wire, feed: Feed):
    blocker = node("TestExecutionBlocker", input=["1", 0], block=True, verbose=False)

    entry = await run(wire, feed, shown(n2=blocker))

    assert feed.of("execution_error") == []
    assert (entry["outputs"], kinds(entry)[-1]) == ({}, "execution_success")


async def test_a_blocker_with_a_message_is_an_error_before_a_success(wire: Wire, feed: Feed):
    blocker = node("TestExecutionBlocker", input=["1", 0], block=True, verbose=True)

    entry = await run(wire, feed, shown(n2=blocker))

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
    }
    assert (error["node_id"], error["exception_type"]) == ("9", "ExecutionBlocked")
    assert error["exception_message"] == "Execution Blocked: Blocked Execution"
    assert kinds(entry) == ["execution_start", "execution_cached", "execution_success"]
    assert (entry["status"]["status_str"], entry["outputs"]) == ("success", {})


async def test_a_lazy_node_is_told_again_when_its_inputs_are_there(wire: Wire, feed: Feed):
    mask = {"value": 0.5, "height": 8, "width": 16, "batch_size": 1}
    prompt = shown(
        n2=node("StubMask", **mask),
        n3=node("TestLazyMixImages", image1=["1", 0], image2=["1", 0], mask=["2", 0]),
    )

    await run(wire, feed, prompt)

    assert [one["node"] for one in feed.of("executing")] == ["2", "3", "1", "3", "9", None]


async def test_a_lazy_input_that_is_not_needed_is_not_made(wire: Wire, feed: Feed):
    mask = {"value": 1.0, "height": 8, "width": 16, "batch_size": 1}
    prompt = shown(
        n2=node("StubMask", **mask),
        n3=node("TestLazyMixImages", image1=["4", 0], image2=["1", 0], mask=["2", 0]),
    )
    prompt["4"] = empty()

    await run(wire, feed, prompt)

    assert "4" not in [one["node"] for one in feed.of("executing")]


async def test_the_nodes_of_an_expansion_are_told_with_their_parent(wire: Wire, feed: Feed):
    entry = await run(wire, feed, shown(n2=node("TestMixedExpansionReturns", input1=0.5)))

    inner = [one for one in feed.of("executing") if one["node"] not in ("1", "2", "9", None)]
    assert {one["node"] for one in inner} == {f"2.0.0.{number}" for number in (1, 2, 3, 4)}
    assert {one["display_node"] for one in inner} == {"2"}
    states = feed.of("progress_state")[-1]["nodes"]
    assert states["2.0.0.1"]["parent_node_id"] == "2"
    assert states["2.0.0.1"]["real_node_id"] == "2"
    assert kinds(entry)[-1] == "execution_success"


async def test_a_cycle_that_arises_while_running_is_an_error_that_history_calls_a_success(wire, feed: Feed):
    await run(wire, feed, shown(n2=node("TestSleep", value=["1", 0], seconds=0)))
    cycle = shown(n2=empty(width=512, height=512), n3=node("TestDynamicDependencyCycle"))
    cycle["3"]["inputs"] = {"input1": ["2", 0], "input2": ["2", 0]}

    entry = await run(wire, feed, cycle)

    (error,) = feed.of("execution_error")
    assert (error["node_id"], error["exception_type"]) == ("3", "graph.DependencyCycleError")
    assert kinds(entry)[-1] == "execution_error"
    assert (entry["status"]["status_str"], entry["status"]["completed"]) == ("success", True)


@pytest.mark.parametrize(("should_change", "again"), [(True, ["2", "9", None]), (False, [None])])
async def test_is_changed_decides_what_runs_again(wire: Wire, feed: Feed, should_change, again):
    prompt = shown(n2=node("TestCustomIsChanged", image=["1", 0], should_change=should_change))
    await run(wire, feed, prompt)
    before = len(feed.of("executing"))

    await run(wire, feed, prompt)

    assert [one["node"] for one in feed.of("executing")[before:]] == again


async def test_an_output_that_others_use_is_shown_when_it_is_cached(wire: Wire, feed: Feed):
    prompt = shown(n2=node("TestOutputNodeWithSocketOutput", image=["1", 0], value=0.5))
    await run(wire, feed, prompt)
    before = len(feed.of("executed"))

    await run(wire, feed, prompt)

    outputs = {one["node"]: one["output"] for one in feed.of("executed")[before:]}
    assert set(outputs) == {"2", "9"}
    assert outputs["2"] is None


async def test_a_validator_of_its_own_may_take_its_time(wire: Wire):
    prompt = shown(n2=node("TestAsyncValidation", value=200.0, threshold=100.0))

    status, answer = await wire.post("/prompt", {"prompt": prompt})

    errors = answer["node_errors"]["2"]["errors"]
    assert (status, {error["type"] for error in errors}) == (400, {"custom_validation_failed"})
    assert sorted(error["details"] for error in errors) == [
        f"{name} - Value 200.0 exceeds threshold 100.0" for name in ("threshold", "value")
    ]
