"""Constants from ComfyUI's own test pack (tests/execution/testing_nodes/testing-pack/stubs.py)."""

# INPUT_TYPES and its like are ComfyUI's names.
# ruff: noqa: N802

from __future__ import annotations

from typing import Any

import numpy as np

from comfywire.server.nodes.bounds import bounded
from comfywire.server.nodes.resize import Pixels

__all__ = ["StubConstantImage", "StubFloat", "StubImage", "StubInt", "StubMask"]

PACK = "custom_nodes.testing-pack"
HALF = ("FLOAT", {"default": 0.5, "min": 0.0, "max": 1.0, "step": 0.01})


def _area() -> dict[str, Any]:
    return {
        "height": ("INT", {"default": 512, "min": 1, "max": 1024**3, "step": 1}),
        "width": ("INT", {"default": 512, "min": 1, "max": 4096**3, "step": 1}),
        "batch_size": ("INT", {"default": 1, "min": 1, "max": 1024**3, "step": 1}),
    }


class _Stub:
    FUNCTION = "make"
    CATEGORY = "Testing/Stub Nodes"
    RELATIVE_PYTHON_MODULE = PACK


class StubImage(_Stub):
    """White, black or noise."""

    RETURN_TYPES = ("IMAGE",)
    DISPLAY_NAME = "Stub Image"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, Any]]:
        """Return the inputs."""
        return {"required": {"content": (["WHITE", "BLACK", "NOISE"],), **_area()}}

    def make(self, content: str, height: int, width: int, batch_size: int) -> tuple[Pixels]:
        """Make the picture."""
        shape = bounded(batch_size, height, width, 3)
        if content == "NOISE":
            return (np.random.default_rng().random(shape, dtype=np.float32),)
        return (np.full(shape, float(content == "WHITE"), dtype=np.float32),)


class StubConstantImage(_Stub):
    """Grey."""

    RETURN_TYPES = ("IMAGE",)
    DISPLAY_NAME = "Stub Constant Image"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, Any]]:
        """Return the inputs."""
        return {"required": {"value": HALF, **_area()}}

    def make(self, value: float, height: int, width: int, batch_size: int) -> tuple[Pixels]:
        """Make the picture."""
        return (np.full(bounded(batch_size, height, width, 3), value, dtype=np.float32),)


class StubMask(_Stub):
    """A mask with one value."""

    RETURN_TYPES = ("MASK",)
    DISPLAY_NAME = "Stub Mask"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, Any]]:
        """Return the inputs."""
        return {"required": {"value": HALF, **_area()}}

    def make(self, value: float, height: int, width: int, batch_size: int) -> tuple[Pixels]:
        """Make the mask."""
        return (np.full(bounded(batch_size, height, width), value, dtype=np.float32),)


class StubInt(_Stub):
    """A whole number."""

    RETURN_TYPES = ("INT",)
    DISPLAY_NAME = "Stub Int"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, Any]]:
        """Return the inputs."""
        limits = {"default": 0, "min": -0xFFFFFFFF, "max": 0xFFFFFFFF, "step": 1}
        return {"required": {"value": ("INT", limits)}}

    def make(self, value: int) -> tuple[int]:
        """Return it."""
        return (value,)


class StubFloat(_Stub):
    """A number."""

    RETURN_TYPES = ("FLOAT",)
    DISPLAY_NAME = "Stub Float"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, Any]]:
        """Return the inputs."""
        limits = {"default": 0.0, "min": -1.0e38, "max": 1.0e38, "step": 0.01}
        return {"required": {"value": ("FLOAT", limits)}}

    def make(self, value: float) -> tuple[float]:
        """Return it."""
        return (value,)
