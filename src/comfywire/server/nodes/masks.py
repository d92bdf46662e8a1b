"""Masks (comfy_extras/nodes_mask.py): arrays [batch, height, width]; exact."""

# INPUT_TYPES and its like are ComfyUI's names.
# ruff: noqa: N802

from __future__ import annotations

from typing import Any

import numpy as np

from comfywire.server.nodes.resize import Pixels

__all__ = ["InvertMask", "MaskToImage", "SolidMask"]


class SolidMask:
    """A mask with one value."""

    RETURN_TYPES = ("MASK",)
    FUNCTION = "solid"
    CATEGORY = "mask"
    RELATIVE_PYTHON_MODULE = "comfy_extras.nodes_mask"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, Any]]:
        """Return the inputs."""
        side = {"default": 512, "min": 1, "max": 16384, "step": 1}
        return {
            "required": {
                "value": ("FLOAT", {"default": 1.0, "min": 0.0, "max": 1.0, "step": 0.01}),
                "width": ("INT", side),
                "height": ("INT", side),
            }
        }

    def solid(self, value: float, width: int, height: int) -> tuple[Pixels]:
        """Fill a mask."""
        return (np.full((1, height, width), value, dtype=np.float32),)


class MaskToImage:
    """A mask as a grey picture."""

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "mask_to_image"
    CATEGORY = "mask"
    RELATIVE_PYTHON_MODULE = "comfy_extras.nodes_mask"
    DISPLAY_NAME = "Convert Mask to Image"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, Any]]:
        """Return the inputs."""
        return {"required": {"mask": ("MASK",)}}

    def mask_to_image(self, mask: Pixels) -> tuple[Pixels]:
        """Repeat the mask in three channels."""
        grey = mask.reshape((-1, *mask.shape[-2:], 1))
        return (np.broadcast_to(grey, (*grey.shape[:-1], 3)),)


class InvertMask:
    """The opposite of a mask."""

    RETURN_TYPES = ("MASK",)
    FUNCTION = "invert"
    CATEGORY = "mask"
    RELATIVE_PYTHON_MODULE = "comfy_extras.nodes_mask"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, Any]]:
        """Return the inputs."""
        return {"required": {"mask": ("MASK",)}}

    def invert(self, mask: Pixels) -> tuple[Pixels]:
        """Subtract from one."""
        return (np.float32(1.0) - mask,)
