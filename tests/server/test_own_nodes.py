"""Corners of execution that need nodes made for them."""

# ruff: noqa: N802 - INPUT_TYPES and its like are ComfyUI's names

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from tests.server.wire import Feed, Wire

from comfywire.server import Server
from comfywire.server.execution.node_host import NodeHost
from comfywire.server.graph import GraphBuilder


class Node:
    RETURN_TYPES: tuple[str, ...] = ()
    FUNCTION = "run"
    OUTPUT_NODE = True
    runs: ClassVar[list[Any]]

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}}


async def finished(node: type, inputs: dict[str, Any] | None = None, *more: type, **others: Any):
    """Run a prompt with one such node, and return the server's log entry, the history entry and the feed."""
    prompt = {"1": {"class_type": "It", "inputs": inputs or {}}, **others}
    classes = {"It": node, **{each.__name__: each for each in more}}
    async with Server(nodes=classes) as server, Wire(server.url) as wire:
        feed: Feed = await wire.feed()
        prompt_id = await wire.submit(prompt, feed)
        await feed.until_end(prompt_id)
        await server.until_done(prompt_id)
        return server.log[-1], await wire.history(prompt_id), feed


async def test_is_changed_that_raises_means_changed():
    class Raises(Node):
        @classmethod
        def IS_CHANGED(cls):
            raise OSError("no such file")

        def run(self):
            return {"ui": {"text": ["ran"]}}

    run, entry, _ = await finished(Raises)

    assert run.how == "success"
    assert entry["outputs"] == {"1": {"text": ["ran"]}}


async def test_a_node_that_wants_lists_is_called_once():
    class Many(Node):
        RETURN_TYPES = ("INT",)
        OUTPUT_IS_LIST = (True,)
        OUTPUT_NODE = False

        def run(self):
            return ([1, 2, 3],)

    class Sum(Node):
        INPUT_IS_LIST = True

        @classmethod
        def INPUT_TYPES(cls):
            return {"required": {"numbers": ("INT", {})}}

        def run(self, numbers):
            return {"ui": {"total": [sum(numbers)]}}

    _, entry, _ = await finished(
        Many, None, Sum, **{"2": {"class_type": "Sum", "inputs": {"numbers": ["1", 0]}}}
    )

    assert entry["outputs"] == {"2": {"total": [6]}}


async def test_an_expansion_that_reuses_an_id_is_an_error():
    class Reuses(Node):
        def run(self):
            return {"result": (), "expand": {"1": {"class_type": "It", "inputs": {}}}}

    _, entry, _ = await finished(Reuses)

    _, error = entry["status"]["messages"][-1]
    assert error["exception_type"] == "execution.DuplicateNodeError"
    assert error["exception_message"].startswith("Attempt to add duplicate node 1.")


async def test_an_error_in_an_expansion_is_the_submitted_nodes():
    class Expands(Node):
        def run(self):
            graph = GraphBuilder()
            graph.node("TestSyncError", value=1)
            failing = graph.node("PreviewAny", source=graph.node("TestSyncError", value=2).out(0))
            return {"result": (failing.out(0),), "expand": graph.finalize()}

    _, entry, feed = await finished(Expands)

    _, error = entry["status"]["messages"][-1]
    assert (error["node_id"], error["node_type"]) == ("1", "It")
    assert feed.of("executing")[1]["display_node"] == "1"


async def test_an_output_node_inside_an_expansion_has_its_own_entry():
    class Expands(Node):
        def run(self):
            graph = GraphBuilder()
            graph.node("PreviewAny", source="inner")
            return {"result": (), "expand": graph.finalize()}

    _, entry, _ = await finished(Expands)

    assert entry["outputs"] == {"1.0.0.1": {"text": ["inner"]}}
    assert entry["meta"]["1.0.0.1"] == {
        "node_id": "1.0.0.1",
        "display_node": "1",
        "parent_node": "1",
        "real_node_id": "1",
    }


async def test_progress_text_is_broadcast_and_names_no_prompt():
    class Says(Node):
        host: ClassVar[NodeHost]

        def run(self):
            self.host.text("half way")
            return {}

    async with Server(nodes={"Says": Says}) as server, Wire(server.url) as wire:
        other = await wire.feed()
        prompt_id = await wire.submit({"1": {"class_type": "Says", "inputs": {}}})
        await server.until_done(prompt_id)
        await server.faults.messages.foreign(prompt_id="last")
        await other.until("execution_interrupted")

    assert other.frames[0] == b"\x00\x00\x00\x03\x00\x00\x00\x011half way"


async def test_a_class_whose_inputs_raise_is_left_out_of_object_info(caplog):
    class Broken(Node):
        @classmethod
        def INPUT_TYPES(cls):
            raise OSError("no models")

    async with Server(nodes={"Broken": Broken}) as server, Wire(server.url) as wire:
        _, entries = await wire.get("/object_info")
        status, _ = await wire.get("/object_info/Broken")

    assert "Broken" not in entries
    assert "KSampler" in entries
    assert status == 500


@pytest.mark.parametrize("kind", ["prompt", "extra_pnginfo", "unique_id", "dynprompt"])
async def test_hidden_inputs_are_filled_in(kind):
    class Hidden(Node):
        @classmethod
        def INPUT_TYPES(cls):
            return {"required": {}, "hidden": {"it": kind.upper()}}

        def run(self, it):
            return {"ui": {"text": [type(it).__name__]}}

    _, entry, _ = await finished(Hidden)

    expected = {
        "prompt": "dict",
        "extra_pnginfo": "NoneType",
        "unique_id": "str",
        "dynprompt": "DynamicPrompt",
    }
    assert entry["outputs"]["1"]["text"] == [expected[kind]]


async def test_a_node_is_bound_to_its_own_server_when_it_is_asked_for_and_stays_the_same():
    class Reaches(Node):
        host: NodeHost

    class Plain(Node):
        pass

    nodes = {"Reaches": Reaches, "Plain": Plain}
    async with Server(nodes=nodes) as one, Server(nodes=nodes) as other:
        first, second = one.life.classes["Reaches"], other.life.classes["Reaches"]

        assert first is one.life.classes["Reaches"]
        assert first.host is not second.host
        assert issubclass(first, Reaches)
        assert "host" not in vars(Reaches)
        assert one.life.classes["Plain"] is Plain
        assert "Nowhere" not in one.life.classes
        assert list(one.life.classes) == list(other.life.classes)
