"""Nodes of ComfyUI's own test pack that take time or fail (specific_tests.py, async_test_nodes.py)."""

# INPUT_TYPES and its like are ComfyUI's names; a node that raises uses no input.
# ruff: noqa: ARG002, N802

from __future__ import annotations

import asyncio
import time
from typing import Any, ClassVar

import numpy as np

from comfywire.server.execution.node_host import NodeHost
from comfywire.server.graph import GraphBuilder
from comfywire.server.nodes.resize import Pixels

__all__ = [
    "TestAsyncError",
    "TestAsyncLazyCheck",
    "TestAsyncValidation",
    "TestParallelSleep",
    "TestSleep",
    "TestSyncError",
]

Inputs = dict[str, dict[str, Any]]
ANY: tuple[str, dict[str, Any]] = ("*", {})
TICK = 0.01


class _Async:
    __test__ = False
    CATEGORY = "_for_testing/async"
    RELATIVE_PYTHON_MODULE = "custom_nodes.testing-pack"


class TestSleep(_Async):
    """Sleeps without holding up others, and reports progress about a hundred times a second."""

    RETURN_TYPES = ("*",)
    FUNCTION = "sleep"
    CATEGORY = "_for_testing"
    DISPLAY_NAME = "Test Sleep"
    host: ClassVar[NodeHost]

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Return the inputs."""
        seconds = {
            "default": 1.0,
            "min": 0.0,
            "max": 9999.0,
            "step": 0.01,
            "tooltip": "The amount of seconds to sleep.",
        }
        return {
            "required": {"value": ANY, "seconds": ("FLOAT", seconds)},
            "hidden": {"unique_id": "UNIQUE_ID"},
        }

    async def sleep(self, value: object, seconds: float, unique_id: str) -> tuple[object]:
        """Sleep."""
        start = now = time.monotonic()
        while now < start + seconds:
            now = time.monotonic()
            self.host.progress(now - start, seconds, node_id=unique_id)
            await asyncio.sleep(TICK)
        return (value,)


class TestParallelSleep(_Async):
    """Expands into three sleepers that run at once, and averages what they pass on."""

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "parallel_sleep"
    CATEGORY = "_for_testing"
    OUTPUT_NODE = True
    DISPLAY_NAME = "Test Parallel Sleep"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Return the inputs."""
        image = ("IMAGE",)
        sleep = ("FLOAT", {"default": 0.5, "min": 0.0, "max": 10.0, "step": 0.01})
        return {
            "required": {
                **dict.fromkeys(("image1", "image2", "image3"), image),
                **dict.fromkeys(("sleep1", "sleep2", "sleep3"), sleep),
            },
            "hidden": {"unique_id": "UNIQUE_ID"},
        }

    def parallel_sleep(self, unique_id: str, **inputs: Any) -> dict[str, Any]:
        """Expand."""
        del unique_id
        graph = GraphBuilder()
        sleepers = [
            graph.node("TestSleep", value=inputs[f"image{number}"], seconds=inputs[f"sleep{number}"])
            for number in (1, 2, 3)
        ]
        links = {f"input{number}": sleeper.out(0) for number, sleeper in enumerate(sleepers, 1)}
        average = graph.node("TestVariadicAverage", **links)
        return {"result": (average.out(0),), "expand": graph.finalize()}


class TestSyncError(_Async):
    """Raises."""

    RETURN_TYPES = ("*",)
    FUNCTION = "sync_error"
    DISPLAY_NAME = "Test Sync Error"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Return the inputs."""
        return {"required": {"value": ANY}}

    def sync_error(self, value: object) -> tuple[object]:
        """Raise."""
        raise RuntimeError("Intentional sync execution error for testing")


class TestAsyncError(_Async):
    """Raises after a while."""

    RETURN_TYPES = ("*",)
    FUNCTION = "error_execution"
    DISPLAY_NAME = "Test Async Error"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Return the inputs."""
        after = {"default": 0.1, "min": 0.0, "max": 10.0}
        return {"required": {"value": ANY, "error_after": ("FLOAT", after)}}

    async def error_execution(self, value: object, error_after: float) -> tuple[object]:
        """Raise."""
        del value
        await asyncio.sleep(error_after)
        raise RuntimeError("Intentional async execution error for testing")


class TestAsyncValidation(_Async):
    """Takes its time to validate."""

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "process"
    DISPLAY_NAME = "Test Async Validation"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Return the inputs."""
        return {
            "required": {
                "value": ("FLOAT", {"default": 5.0}),
                "threshold": ("FLOAT", {"default": 10.0}),
            }
        }

    @classmethod
    async def VALIDATE_INPUTS(cls, value: float, threshold: float) -> str | bool:
        """Compare, after a moment."""
        await asyncio.sleep(0.05)
        return value <= threshold or f"Value {value} exceeds threshold {threshold}"

    def process(self, value: float, threshold: float) -> tuple[Pixels]:
        """Make a picture as bright as the value."""
        del threshold
        return (np.full((1, 512, 512, 3), value / 10.0, dtype=np.float32),)


class TestAsyncLazyCheck(_Async):
    """Takes its time to say which input it wants."""

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "process"
    DISPLAY_NAME = "Test Async Lazy Check"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Return the inputs."""
        lazy = ("*", {"lazy": True})
        condition = ("BOOLEAN", {"default": True})
        return {"required": {"input1": lazy, "input2": lazy, "condition": condition}}

    async def check_lazy_status(self, condition: bool, input1: object, input2: object) -> list[str]:  # noqa: FBT001 - ComfyUI's form
        """Name the input that counts."""
        await asyncio.sleep(0.05)
        name, value = ("input1", input1) if condition else ("input2", input2)
        return [name] if value is None else []

    def process(self, input1: object, input2: object, condition: bool) -> tuple[Pixels]:  # noqa: FBT001 - ComfyUI's form
        """Make a white picture."""
        del input1, input2, condition
        return (np.ones((1, 512, 512, 3), dtype=np.float32),)
