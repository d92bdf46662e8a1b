"""Nodes of ComfyUI's own test pack: lazy inputs, expansion, blockers, IS_CHANGED (specific_tests.py)."""

# INPUT_TYPES and its like are ComfyUI's names.
# ruff: noqa: N802

from __future__ import annotations

from typing import Any

import numpy as np

from comfywire.server.graph import ExecutionBlocker, GraphBuilder
from comfywire.server.nodes.resize import Pixels

__all__ = [
    "TestCustomIsChanged",
    "TestDynamicDependencyCycle",
    "TestExecutionBlocker",
    "TestIsChangedWithConstants",
    "TestLazyMixImages",
    "TestListToImages",
    "TestMixedExpansionReturns",
    "TestOutputNodeWithSocketOutput",
    "TestVariadicAverage",
]

Inputs = dict[str, dict[str, Any]]


class _Testing:
    __test__ = False
    CATEGORY = "Testing/Nodes"
    RELATIVE_PYTHON_MODULE = "custom_nodes.testing-pack"


class TestLazyMixImages(_Testing):
    """Two pictures mixed by a mask; one that the mask hides is never asked for."""

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "mix"
    DISPLAY_NAME = "Lazy Mix Images"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Return the inputs."""
        lazy = ("IMAGE", {"lazy": True})
        return {"required": {"image1": lazy, "image2": lazy, "mask": ("MASK",)}}

    def check_lazy_status(
        self, mask: Pixels, image1: Pixels | None = None, image2: Pixels | None = None
    ) -> list[str]:
        """Name the pictures that the mask shows and that are not there yet."""
        needed = []
        if image1 is None and not np.all(mask == 1):
            needed.append("image1")
        if image2 is None and not np.all(mask == 0):
            needed.append("image2")
        return needed

    def mix(
        self, mask: Pixels, image1: Pixels | None = None, image2: Pixels | None = None
    ) -> tuple[Pixels | None]:
        """Mix."""
        if image1 is None or image2 is None:
            return (image2 if image1 is None else image1,)
        share = mask.reshape((-1, *mask.shape[-2:], 1))
        return ((image1 * (np.float32(1) - share) + image2 * share).astype(np.float32),)


class TestVariadicAverage(_Testing):
    """The average of input1, input2 and so on."""

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "variadic_average"
    DISPLAY_NAME = "Variadic Average"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Return the inputs that are declared; any number of others may come."""
        return {"required": {"input1": ("IMAGE",)}}

    def variadic_average(self, input1: Pixels, **others: Pixels) -> tuple[Pixels]:
        """Average; a link to an undeclared input is passed on, too."""
        return (np.mean([input1, *others.values()], axis=0, dtype=np.float32),)


class TestCustomIsChanged(_Testing):
    """Never cached when ``should_change`` is set."""

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "custom_is_changed"
    DISPLAY_NAME = "Custom IsChanged"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Return the inputs."""
        return {
            "required": {"image": ("IMAGE",)},
            "optional": {"should_change": ("BOOL", {"default": False})},
        }

    @classmethod
    def IS_CHANGED(cls, image: object = None, should_change: bool = False) -> float | bool:  # noqa: FBT001, FBT002 - ComfyUI's form
        """Return NaN, which equals nothing, or False."""
        del image
        return float("nan") if should_change else False

    def custom_is_changed(self, image: Pixels, should_change: bool = False) -> tuple[Pixels]:  # noqa: FBT001, FBT002 - ComfyUI's form
        """Pass the picture on."""
        del should_change
        return (image,)


class TestIsChangedWithConstants(_Testing):
    """IS_CHANGED sees constants only: links are None there."""

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "custom_is_changed"
    DISPLAY_NAME = "IsChanged With Constants"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Return the inputs."""
        value = {"default": 1.0, "min": 0.0, "max": 10.0}
        return {"required": {"image": ("IMAGE",), "value": ("FLOAT", value)}}

    @classmethod
    def IS_CHANGED(cls, image: Pixels | None, value: float) -> float:
        """Return the value."""
        return value if image is None else float(image.mean()) * value

    def custom_is_changed(self, image: Pixels, value: float) -> tuple[Pixels]:
        """Multiply."""
        return (image * np.float32(value),)


class TestDynamicDependencyCycle(_Testing):
    """Expands into two nodes that need each other."""

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "dynamic_dependency_cycle"
    DISPLAY_NAME = "Dynamic Dependency Cycle"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Return the inputs."""
        return {"required": {"input1": ("IMAGE",), "input2": ("IMAGE",)}}

    def dynamic_dependency_cycle(self, input1: Pixels, input2: Pixels) -> dict[str, Any]:
        """Expand."""
        graph = GraphBuilder()
        mask = graph.node("StubMask", value=0.5, height=512, width=512, batch_size=1)
        first = graph.node("TestLazyMixImages", image1=input1, mask=mask.out(0))
        second = graph.node("TestLazyMixImages", image1=first.out(0), image2=input2, mask=mask.out(0))
        first.set_input("image2", second.out(0))
        return {"result": (second.out(0),), "expand": graph.finalize()}


class TestMixedExpansionReturns(_Testing):
    """Returns plain results or expands, as its input says."""

    RETURN_TYPES = ("IMAGE", "IMAGE")
    FUNCTION = "mixed_expansion_returns"
    DISPLAY_NAME = "Mixed Expansion Returns"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Return the inputs."""
        return {"required": {"input1": ("FLOAT",)}}

    def mixed_expansion_returns(self, input1: float) -> Any:
        """Return a tuple, a dict, or an expansion."""
        white = np.ones((1, 512, 512, 3), dtype=np.float32)
        if input1 <= 0.1:
            return (white * np.float32(0.1), white)
        if input1 <= 0.2:
            return {"result": (white * np.float32(0.2), white)}
        graph = GraphBuilder()
        size = {"height": 512, "width": 512, "batch_size": 1}
        mask = graph.node("StubMask", value=0.3, **size)
        black = graph.node("StubImage", content="BLACK", **size)
        bright = graph.node("StubImage", content="WHITE", **size)
        mix = graph.node("TestLazyMixImages", image1=black.out(0), image2=bright.out(0), mask=mask.out(0))
        return {"result": (mix.out(0), white), "expand": graph.finalize()}


class TestOutputNodeWithSocketOutput(_Testing):
    """An output node whose result others use; it shows nothing."""

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "process"
    CATEGORY = "_for_testing"
    OUTPUT_NODE = True
    DISPLAY_NAME = "Test Output Node With Socket Output"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Return the inputs."""
        value = {"default": 1.0, "min": 0.0, "max": 10.0}
        return {"required": {"image": ("IMAGE",), "value": ("FLOAT", value)}}

    def process(self, image: Pixels, value: float) -> tuple[Pixels]:
        """Multiply."""
        return (image * np.float32(value),)


class TestExecutionBlocker(_Testing):
    """Blocks whoever uses its output, with or without saying why."""

    RETURN_TYPES = ("*",)
    RETURN_NAMES = ("output",)
    FUNCTION = "block"
    CATEGORY = "Testing/Flow"
    DISPLAY_NAME = "Execution Blocker"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Return the inputs."""
        return {
            "required": {
                "input": ("*",),
                "block": ("BOOLEAN",),
                "verbose": ("BOOLEAN", {"default": False}),
            }
        }

    def block(self, input: Any, block: bool, verbose: bool) -> tuple[Any]:  # noqa: A002, FBT001 - ComfyUI's names
        """Block, or pass the input on."""
        if not block:
            return (input,)
        return (ExecutionBlocker("Blocked Execution" if verbose else None),)


class TestListToImages(_Testing):
    """A list of pictures, so that what follows runs once for each."""

    RETURN_TYPES = ("IMAGE",)
    OUTPUT_IS_LIST = (True,)
    FUNCTION = "split"
    DISPLAY_NAME = "Test List To Images"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Return the inputs."""
        return {"required": {"images": ("IMAGE",)}}

    def split(self, images: Pixels) -> tuple[list[Pixels]]:
        """Take the batch apart."""
        return ([images[index : index + 1] for index in range(len(images))],)
