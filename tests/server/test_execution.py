from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import pytest
from PIL import Image
from tests.server.wire import Feed, Prompt, Wire, image

from comfywire.server import Server


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def saved(source: str, **nodes: dict[str, Any]) -> Prompt:
    """Some nodes (n1, n2, ...), and one that saves what ``source`` makes."""
    numbered = {name.removeprefix("n"): each for name, each in nodes.items()}
    return {**numbered, "9": node("SaveImage", images=[source, 0], filename_prefix="test")}


WHITE = node("StubImage", content="WHITE", height=8, width=8, batch_size=1)
BLACK = node("StubImage", content="BLACK", height=8, width=8, batch_size=1)


async def run(
    server: Server, wire: Wire, prompt: Prompt, feed: Feed | None = None, **more: Any
) -> dict[str, Any]:
    prompt_id = await wire.submit(prompt, feed, **more)
    if feed is not None:
        await feed.until_end(prompt_id)  # first: a feed that nobody reads holds up the server
    await server.until_done(prompt_id)
    return await wire.history(prompt_id)


def ran(server: Server) -> list[str]:
    return server.log[-1].nodes


async def test_only_what_outputs_need_is_run(server: Server, wire: Wire):
    await run(server, wire, image() | {"7": WHITE})

    assert ran(server) == ["1", "2"]


async def test_an_unchanged_prompt_is_not_run_again(server: Server, wire: Wire, feed: Feed):
    first = await run(server, wire, image())
    second = await run(server, wire, image(), feed)

    assert ran(server) == []
    assert feed.of("execution_cached")[0]["nodes"] == ["1", "2"]
    assert feed.of("executed")[0]["output"] == first["outputs"]["2"] == second["outputs"]["2"]


async def test_node_ids_and_titles_do_not_matter_to_the_cache(server: Server, wire: Wire):
    await run(server, wire, image())
    renamed = {"a": image()["1"] | {"_meta": {"title": "x"}}, "b": image()["2"]}
    renamed["b"] = node("SaveImage", images=["a", 0], filename_prefix="test")

    await run(server, wire, renamed)

    assert ran(server) == []


async def test_only_what_changed_is_run_again(server: Server, wire: Wire):
    await run(server, wire, image())
    other = image()
    other["2"]["inputs"]["filename_prefix"] = "other"

    await run(server, wire, other)

    assert ran(server) == ["2"]


async def test_the_cache_holds_the_last_prompt_only(server: Server, wire: Wire):
    for prompt in (image(1), image(2), image(1)):
        await run(server, wire, prompt)

    assert ran(server) == ["1", "2"]


async def test_freeing_memory_empties_the_cache(server: Server, wire: Wire):
    await run(server, wire, image())

    await wire.post("/free", {"free_memory": True})
    await server.until(lambda: not server.life.queue._flags)
    await run(server, wire, image())

    assert ran(server) == ["1", "2"]


@pytest.mark.parametrize(("should_change", "expected"), [(True, ["2", "9"]), (False, [])])
async def test_is_changed_decides_whether_a_node_runs_again(
    server: Server, wire: Wire, should_change, expected
):
    changing = node("TestCustomIsChanged", image=["1", 0], should_change=should_change)
    prompt = saved("2", n1=WHITE, n2=changing)
    await run(server, wire, prompt)

    await run(server, wire, prompt)

    assert ran(server) == expected


async def test_is_changed_in_the_prompt_is_believed(server: Server, wire: Wire):
    changing = node("TestCustomIsChanged", image=["1", 0], should_change=True) | {"is_changed": [False]}
    prompt = saved("2", n1=WHITE, n2=changing)
    await run(server, wire, prompt)

    await run(server, wire, prompt)

    assert ran(server) == []


async def test_other_bytes_under_the_same_name_are_loaded_again(server: Server, wire: Wire):
    prompt = saved("1", n1=node("LoadImage", image="x.png"))
    for colour in ("red", "blue"):
        Image.new("RGB", (2, 2), colour).save(server.folder / "input/x.png")
        await run(server, wire, prompt)

    assert ran(server) == ["1", "9"]


async def test_output_nodes_that_are_not_named_as_targets_are_left_out(server: Server, wire: Wire):
    prompt = image() | {"3": node("PreviewImage", images=["1", 0])}

    entry = await run(server, wire, prompt, partial_execution_targets=["3"])

    assert ran(server) == ["1", "3"]
    assert entry["prompt"][4] == ["3"]


async def test_an_invalid_output_is_dropped_while_another_runs(server: Server, wire: Wire):
    prompt = image() | {"3": node("PreviewImage")}

    status, answer = await wire.post("/prompt", {"prompt": prompt})
    await server.until_idle()

    assert status == 200
    assert list(answer["node_errors"]) == ["3"]
    assert ran(server) == ["1", "2"]


async def test_outputs_run_as_soon_as_they_can(server: Server, wire: Wire):
    prompt = {
        "1": WHITE,
        "5": node("SaveImage", images=["4", 0], filename_prefix="test"),
        "2": node("PreviewImage", images=["1", 0]),
        "3": node("ImageInvert", image=["1", 0]),
        "4": node("ImageInvert", image=["3", 0]),
    }

    await run(server, wire, prompt)

    assert ran(server) == ["1", "2", "3", "4", "5"]


async def test_what_is_a_step_before_an_output_runs_before_what_is_further(server: Server, wire: Wire):
    prompt = {
        "9": node("SaveImage", images=["8", 0], filename_prefix="test"),
        "8": node("ImageInvert", image=["7", 0]),
        "7": node("ImageInvert", image=["6", 0]),
        "6": BLACK,
        "2": node("PreviewImage", images=["1", 0]),
        "1": WHITE,
    }

    await run(server, wire, prompt)

    assert ran(server) == ["1", "2", "6", "7", "8", "9"]


async def test_a_node_that_knows_its_id_is_not_shared_with_another(server: Server, wire: Wire):
    asleep = {name: node("TestSleep", value=["1", 0], seconds=0.0) for name in ("n2", "n3")}
    average = node("TestVariadicAverage", input1=["2", 0], input2=["3", 0])

    await run(server, wire, saved("4", n1=WHITE, **asleep, n4=average))

    assert {"2", "3"} <= set(ran(server))


async def test_a_cached_output_is_finished_at_one_of_one(server: Server, wire: Wire, feed: Feed):
    await run(server, wire, image())
    await run(server, wire, image(), feed)

    state = feed.of("progress_state")[-1]["nodes"]["2"]
    assert (state["value"], state["max"], state["state"]) == (1, 1, "finished")


async def test_a_node_runs_once_for_each_item_of_a_list(server: Server, wire: Wire, feed: Feed):
    batch = node("EmptyImage", width=8, height=8, batch_size=3, color=1)
    prompt = saved("2", n1=batch, n2=node("TestListToImages", images=["1", 0]))

    entry = await run(server, wire, prompt, feed)

    assert [one["filename"] for one in entry["outputs"]["9"]["images"]] == [
        f"test_0000{number}_.png" for number in (1, 2, 3)
    ]
    assert len(feed.of("executed")) == 1


async def test_a_lazy_input_that_is_not_needed_is_not_run(server: Server, wire: Wire, feed: Feed):
    mask = node("SolidMask", value=0.0, width=8, height=8)
    mix = node("TestLazyMixImages", image1=["1", 0], image2=["2", 0], mask=["3", 0])

    await run(server, wire, saved("4", n1=WHITE, n2=BLACK, n3=mask, n4=mix), feed)

    assert ran(server) == ["3", "1", "4", "9"]
    assert [data["node"] for data in feed.of("executing")] == ["3", "4", "1", "4", "9", None]


async def test_an_expansion_runs_under_its_parents_name(server: Server, wire: Wire, feed: Feed):
    three = node("StubFloat", value=3.0)
    entry = await run(
        server, wire, saved("2", n1=three, n2=node("TestMixedExpansionReturns", input1=["1", 0])), feed
    )

    inner = [data for data in feed.of("executing") if data["node"] and "." in data["node"]]
    assert {data["display_node"] for data in inner} == {"2"}
    assert len(inner) == 5
    assert entry["status"]["completed"]


async def test_an_expansion_is_cached_as_one(server: Server, wire: Wire):
    prompt = saved(
        "2", n1=node("StubFloat", value=3.0), n2=node("TestMixedExpansionReturns", input1=["1", 0])
    )
    await run(server, wire, prompt)
    prompt["9"]["inputs"]["filename_prefix"] = "other"

    await run(server, wire, prompt)

    assert ran(server) == ["9"]


async def test_a_silent_blocker_skips_what_follows(server: Server, wire: Wire, feed: Feed):
    blocker = node("TestExecutionBlocker", input=["1", 0], block=True, verbose=False)

    entry = await run(server, wire, saved("2", n1=WHITE, n2=blocker), feed)

    assert entry["outputs"] == {}
    assert entry["status"]["status_str"] == "success"
    assert feed.of("execution_error") == []


async def test_a_blocker_with_a_message_is_an_error_before_a_success(server: Server, wire: Wire, feed: Feed):
    blocker = node("TestExecutionBlocker", input=["1", 0], block=True, verbose=True)

    entry = await run(server, wire, saved("2", n1=WHITE, n2=blocker), feed)

    (error,) = feed.of("execution_error")
    assert (error["exception_type"], error["exception_message"]) == (
        "ExecutionBlocked",
        "Execution Blocked: Blocked Execution",
    )
    assert "timestamp" not in error
    assert [kind for kind, _ in entry["status"]["messages"]][-1] == "execution_success"


async def test_a_cycle_found_while_running_is_recorded_as_a_success(server: Server, wire: Wire, feed: Feed):
    cycle = node("TestDynamicDependencyCycle", input1=["1", 0], input2=["2", 0])

    entry = await run(server, wire, saved("3", n1=WHITE, n2=BLACK, n3=cycle), feed)

    (error,) = feed.of("execution_error")
    assert (error["node_id"], error["exception_type"]) == ("3", "graph.DependencyCycleError")
    assert entry["status"]["status_str"] == "success"
    assert [kind for kind, _ in entry["status"]["messages"]][-1] == "execution_error"


@pytest.mark.parametrize(
    ("failing", "message"),
    [
        pytest.param(
            node("TestSyncError", value=["1", 0]), "Intentional sync execution error for testing\n", id="sync"
        ),
        pytest.param(
            node("TestAsyncError", value=["1", 0], error_after=0.01),
            "Intentional async execution error for testing\n",
            id="async",
        ),
    ],
)
async def test_a_node_that_raises_ends_the_prompt_and_keeps_earlier_outputs(
    server, wire, feed, failing, message
):
    prompt = image() | {"3": failing, "4": node("PreviewImage", images=["3", 0])}

    entry = await run(server, wire, prompt, feed)

    (error,) = feed.of("execution_error")
    assert (error["node_id"], error["exception_type"], error["exception_message"]) == (
        "3",
        "RuntimeError",
        message,
    )
    assert error["traceback"]
    assert set(entry["outputs"]) == {"2"}
    assert entry["status"]["status_str"] == "error"
    assert server.log[-1].how == "error"


class Meets:
    """Ends when three are there: they never would if each waited for the end of the one before."""

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "meet"
    there: ClassVar[set[int]] = set()

    @classmethod
    def INPUT_TYPES(cls):  # noqa: N802 - ComfyUI's name
        return {"required": {"image": ("IMAGE",), "number": ("INT", {})}}

    async def meet(self, image, number):
        self.there.add(number)
        while len(self.there) < 3:  # noqa: ASYNC110 - an event would belong to one server's loop
            await asyncio.sleep(0.01)
        return (image,)


async def test_async_nodes_run_at_once(monkeypatch):
    monkeypatch.setattr(Meets, "there", set())
    meeting = {f"n{number}": node("Meets", image=["1", 0], number=number) for number in (2, 3, 4)}
    average = node("TestVariadicAverage", input1=["2", 0], input2=["3", 0], input3=["4", 0])

    async with Server(nodes={"Meets": Meets}) as server, Wire(server.url) as wire:
        feed = await wire.feed()
        await run(server, wire, saved("5", n1=WHITE, **meeting, n5=average), feed)

    running = [
        sum(state["state"] == "running" for state in data["nodes"].values())
        for data in feed.of("progress_state")
    ]
    assert max(running) == 3


async def test_an_async_node_that_is_interrupted_takes_the_others_along(server: Server, wire: Wire):
    sleepers = {f"n{number}": node("TestSleep", value=["1", 0], seconds=60) for number in (2, 3)}
    average = node("TestVariadicAverage", input1=["2", 0], input2=["3", 0])
    prompt_id = await wire.submit(saved("5", n1=WHITE, **sleepers, n5=average))
    await server.until_executing(prompt_id, "2")

    await wire.post("/interrupt")
    await server.until_done(prompt_id)
    await run(server, wire, image())

    assert [one.how for one in server.log] == ["interrupted", "success"]


async def test_async_lazy_inputs_and_validation_are_awaited(server: Server, wire: Wire):
    lazy = node("TestAsyncLazyCheck", input1=["1", 0], input2=["2", 0], condition=False)
    good = node("TestAsyncValidation", value=1.0, threshold=2.0)
    entry = await run(
        server,
        wire,
        saved("3", n1=WHITE, n2=BLACK, n3=lazy) | {"5": node("PreviewImage", images=["6", 0]), "6": good},
    )

    status, refused = await wire.post(
        "/prompt", {"prompt": saved("1", n1=node("TestAsyncValidation", value=3, threshold=2))}
    )

    assert entry["status"]["completed"]
    assert "1" not in ran(server)
    assert (status, refused["node_errors"]["1"]["errors"][0]["details"]) == (
        400,
        "value - Value 3.0 exceeds threshold 2.0",
    )


class WantsTooMuch:
    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "make"

    @classmethod
    def INPUT_TYPES(cls):  # noqa: N802 - ComfyUI's name
        return {"required": {}, "optional": {"picture": ("IMAGE", {"lazy": True})}}

    def check_lazy_status(self, picture=None):
        return ["picture"]


async def test_a_lazy_input_that_is_not_there_is_an_error_of_the_node():
    prompt = saved("3", n3=node("WantsTooMuch"))

    async with Server(nodes={"WantsTooMuch": WantsTooMuch}) as server, Wire(server.url) as wire:
        entry = await run(server, wire, prompt)

    _, error = entry["status"]["messages"][-1]
    assert (error["node_id"], error["exception_type"]) == ("3", "comfy_execution.graph.NodeInputError")
    assert "there is no input to that node at all" in error["exception_message"]


async def test_hundreds_of_nodes_run_and_each_message_names_them_all(server: Server, wire: Wire, feed: Feed):
    links = {f"n{number}": node("ImageInvert", image=[str(number - 1), 0]) for number in range(101, 400)}

    entry = await run(server, wire, saved("399", n100=WHITE, **links), feed)

    assert entry["status"]["completed"]
    assert len(feed.of("progress_state")[-1]["nodes"]) == 301
