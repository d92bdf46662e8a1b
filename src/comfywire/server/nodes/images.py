"""Making and changing pictures, with ComfyUI's arithmetic (nodes.py, comfy_extras, 0.3.64)."""

# INPUT_TYPES and its like are ComfyUI's names; it passes inputs by name, however many.
# ruff: noqa: N802, PLR0917

from __future__ import annotations

from typing import Any

import numpy as np

from comfywire.server.nodes.resize import Pixels, common_upscale

__all__ = ["EmptyImage", "ImageBatch", "ImageBlend", "ImageCrop", "ImageInvert", "ImagePadForOutpaint"]

MAX_RESOLUTION = 16384
Inputs = dict[str, dict[str, Any]]


def _side(default: int = 512, *, minimum: int = 1, step: int = 1) -> tuple[str, dict[str, int]]:
    return ("INT", {"default": default, "min": minimum, "max": MAX_RESOLUTION, "step": step})


class EmptyImage:
    """A picture of one colour; exact."""

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "generate"
    CATEGORY = "image"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Return the inputs."""
        return {
            "required": {
                "width": _side(),
                "height": _side(),
                "batch_size": ("INT", {"default": 1, "min": 1, "max": 4096}),
                "color": (
                    "INT",
                    {"default": 0, "min": 0, "max": 0xFFFFFF, "step": 1, "display": "color"},
                ),
            }
        }

    def generate(self, width: int, height: int, batch_size: int = 1, color: int = 0) -> tuple[Pixels]:
        """Fill a batch."""
        rgb = np.array([(color >> shift & 0xFF) / 0xFF for shift in (16, 8, 0)], dtype=np.float32)
        return (np.broadcast_to(rgb, (batch_size, height, width, 3)),)


class ImageInvert:
    """The negative; exact."""

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "invert"
    CATEGORY = "image"
    DISPLAY_NAME = "Invert Image"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Return the inputs."""
        return {"required": {"image": ("IMAGE",)}}

    def invert(self, image: Pixels) -> tuple[Pixels]:
        """Subtract from white."""
        return (np.float32(1.0) - image,)


class ImageBatch:
    """Two batches as one, the second scaled to the first's size; exact where the sizes agree."""

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "batch"
    CATEGORY = "image"
    DISPLAY_NAME = "Batch Images"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Return the inputs."""
        return {"required": {"image1": ("IMAGE",), "image2": ("IMAGE",)}}

    def batch(self, image1: Pixels, image2: Pixels) -> tuple[Pixels]:
        """String the batches together."""
        if image1.shape[1:] != image2.shape[1:]:
            size = (image1.shape[2], image1.shape[1])
            image2 = common_upscale(image2, size, "bilinear", crop="center")
        return (np.concatenate((image1, image2)),)


class ImageCrop:
    """A part of a picture; exact."""

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "crop"
    CATEGORY = "image/transform"
    RELATIVE_PYTHON_MODULE = "comfy_extras.nodes_images"
    DISPLAY_NAME = "Image Crop"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Return the inputs."""
        return {
            "required": {
                "image": ("IMAGE",),
                "width": _side(),
                "height": _side(),
                "x": _side(0, minimum=0),
                "y": _side(0, minimum=0),
            }
        }

    def crop(self, image: Pixels, width: int, height: int, x: int, y: int) -> tuple[Pixels]:
        """Cut; a corner outside is moved to the edge, and the part ends at the edge."""
        x = min(x, image.shape[2] - 1)
        y = min(y, image.shape[1] - 1)
        return (image[:, y : y + height, x : x + width],)


class ImagePadForOutpaint:
    """A picture with a grey border, and the mask of what is new; exact."""

    RETURN_TYPES = ("IMAGE", "MASK")
    FUNCTION = "expand_image"
    CATEGORY = "image"
    DISPLAY_NAME = "Pad Image for Outpainting"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Return the inputs."""
        return {
            "required": {
                "image": ("IMAGE",),
                "left": _side(0, minimum=0, step=8),
                "top": _side(0, minimum=0, step=8),
                "right": _side(0, minimum=0, step=8),
                "bottom": _side(0, minimum=0, step=8),
                "feathering": _side(40, minimum=0),
            }
        }

    def expand_image(
        self,
        image: Pixels,
        left: int,
        top: int,
        right: int,
        bottom: int,
        feathering: int,
    ) -> tuple[Pixels, Pixels]:
        """Put the picture on grey; the mask fades into it over ``feathering`` pixels."""
        batch, height, width, channels = image.shape
        padded = np.full(
            (batch, height + top + bottom, width + left + right, channels), 0.5, dtype=np.float32
        )
        padded[:, top : top + height, left : left + width] = image
        mask = np.ones(padded.shape[1:3], dtype=np.float32)
        fade = np.zeros((height, width), dtype=np.float32)
        if feathering > 0 and feathering * 2 < min(height, width):
            rows, columns = np.arange(height)[:, None], np.arange(width)[None, :]
            from_edge = np.minimum(
                np.minimum(rows if top else height, height - rows if bottom else height),
                np.minimum(columns if left else width, width - columns if right else width),
            )
            share = (feathering - from_edge) / feathering
            fade = np.where(from_edge < feathering, share * share, 0).astype(np.float32)
            fade = np.broadcast_to(fade, (height, width))
        mask[top : top + height, left : left + width] = fade
        return padded, mask[None]


class ImageBlend:
    """Two pictures as one; exact where the sizes agree."""

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "execute"
    CATEGORY = "image/postprocessing"
    RELATIVE_PYTHON_MODULE = "comfy_extras.nodes_post_processing"
    # ComfyUI's is a node of its newer schema, whose entry names everything, if only as null or false.
    DISPLAY_NAME = None
    OUTPUT_TOOLTIPS = (None,)
    DEPRECATED = False
    EXPERIMENTAL = False
    API_NODE = False

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Return the inputs; options of a COMBO are not validated in 0.3.64."""
        modes = ["normal", "multiply", "screen", "overlay", "soft_light", "difference"]
        return {
            "required": {
                "image1": ("IMAGE", {}),
                "image2": ("IMAGE", {}),
                "blend_factor": ("FLOAT", {"default": 0.5, "min": 0.0, "max": 1.0, "step": 0.01}),
                "blend_mode": ("COMBO", {"multiselect": False, "options": modes}),
            }
        }

    def execute(self, image1: Pixels, image2: Pixels, blend_factor: float, blend_mode: str) -> tuple[Pixels]:
        """Mix the first with the blend of both."""
        if image1.shape[-1] != image2.shape[-1]:
            image1, image2 = _with_alpha(image1), _with_alpha(image2)
        if image1.shape != image2.shape:
            image2 = common_upscale(image2, (image1.shape[2], image1.shape[1]), "bicubic", crop="center")
        blended = _blend(image1, image2, blend_mode)
        mixed = image1 * np.float32(1 - blend_factor) + blended * np.float32(blend_factor)
        return (np.clip(mixed, 0, 1).astype(np.float32),)


def _with_alpha(image: Pixels) -> Pixels:
    if image.shape[-1] == 4:
        return image
    return np.concatenate((image, np.ones((*image.shape[:-1], 1), dtype=np.float32)), axis=-1)


def _blend(one: Pixels, two: Pixels, mode: str) -> Pixels:
    match mode:
        case "normal":
            return two
        case "multiply":
            return one * two
        case "screen":
            return 1 - (1 - one) * (1 - two)
        case "overlay":
            return np.where(one <= 0.5, 2 * one * two, 1 - 2 * (1 - one) * (1 - two))
        case "soft_light":
            root = np.where(one <= 0.25, ((16 * one - 12) * one + 4) * one, np.sqrt(one))
            return np.where(
                two <= 0.5, one - (1 - 2 * two) * one * (1 - one), one + (2 * two - 1) * (root - one)
            )
        case "difference":
            return one - two
    raise ValueError(f"Unsupported blend mode: {mode}")
