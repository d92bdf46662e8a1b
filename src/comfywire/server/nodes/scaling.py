"""Scaling pictures (nodes.py): exact, but for bilinear and bicubic, which are within one level of 255."""

# INPUT_TYPES and its like are ComfyUI's names.
# ruff: noqa: N802

from __future__ import annotations

from typing import Any

from comfywire.server.nodes.resize import METHODS, Pixels, common_upscale

__all__ = ["ImageScale", "ImageScaleBy"]

MAX_RESOLUTION = 16384


class ImageScale:
    """A picture of another size."""

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "upscale"
    CATEGORY = "image/upscaling"
    DISPLAY_NAME = "Upscale Image"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, Any]]:
        """Return the inputs."""
        side = {"default": 512, "min": 0, "max": MAX_RESOLUTION, "step": 1}
        return {
            "required": {
                "image": ("IMAGE",),
                "upscale_method": (METHODS,),
                "width": ("INT", side),
                "height": ("INT", side),
                "crop": (["disabled", "center"],),
            }
        }

    def upscale(
        self, image: Pixels, upscale_method: str, width: int, height: int, crop: str
    ) -> tuple[Pixels]:
        """Scale; a side of 0 follows from the other, and two leave the picture as it is."""
        if width == 0 and height == 0:
            return (image,)
        if width == 0:
            width = max(1, round(image.shape[2] * height / image.shape[1]))
        elif height == 0:
            height = max(1, round(image.shape[1] * width / image.shape[2]))
        return (common_upscale(image, (width, height), upscale_method, crop=crop),)


class ImageScaleBy:
    """A picture scaled by a factor."""

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "upscale"
    CATEGORY = "image/upscaling"
    DISPLAY_NAME = "Upscale Image By"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, Any]]:
        """Return the inputs."""
        factor = {"default": 1.0, "min": 0.01, "max": 8.0, "step": 0.01}
        return {
            "required": {
                "image": ("IMAGE",),
                "upscale_method": (METHODS,),
                "scale_by": ("FLOAT", factor),
            }
        }

    def upscale(self, image: Pixels, upscale_method: str, scale_by: float) -> tuple[Pixels]:
        """Scale."""
        size = (round(image.shape[2] * scale_by), round(image.shape[1] * scale_by))
        return (common_upscale(image, size, upscale_method),)
