"""Scaling pictures (nodes.py, comfy_extras/nodes_images.py, nodes_post_processing.py, nodes_flux.py)."""

from __future__ import annotations

from math import sqrt

import numpy as np

from comfywire.server.nodes.bounds import bounded
from comfywire.server.nodes.declared import ONE_LEVEL, DeclaredNode
from comfywire.server.nodes.resize import Pixels, common_upscale

__all__ = [
    "FluxKontextImageScale",
    "ImageScale",
    "ImageScaleBy",
    "ImageScaleToMaxDimension",
    "ImageScaleToTotalPixels",
    "ResizeAndPadImage",
]

MEGAPIXEL = 1024 * 1024
KONTEXT_SIZES = [  # comfy_extras/nodes_flux.py: about a megapixel in every shape that the model knows
    (672, 1568),
    (688, 1504),
    (720, 1456),
    (752, 1392),
    (800, 1328),
    (832, 1248),
    (880, 1184),
    (944, 1104),
    (1024, 1024),
    (1104, 944),
    (1184, 880),
    (1248, 832),
    (1328, 800),
    (1392, 752),
    (1456, 720),
    (1504, 688),
    (1568, 672),
]


class ScalingNode(DeclaredNode):
    """A node with ``upscale_method``: nearest-exact, area and lanczos are exact."""

    FIDELITY = ONE_LEVEL
    FUNCTION = "upscale"


class ImageScale(ScalingNode):
    """A picture of another size."""

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


class ImageScaleBy(ScalingNode):
    """A picture scaled by a factor."""

    def upscale(self, image: Pixels, upscale_method: str, scale_by: float) -> tuple[Pixels]:
        """Scale."""
        size = (round(image.shape[2] * scale_by), round(image.shape[1] * scale_by))
        return (common_upscale(image, size, upscale_method),)


class ImageScaleToMaxDimension(ScalingNode):
    """A picture scaled to a longest side."""

    def upscale(self, image: Pixels, upscale_method: str, largest_size: int) -> tuple[Pixels]:
        """Scale; the shape stays."""
        height, width = image.shape[1:3]
        if height > width:
            size = (round(width / height * largest_size), largest_size)
        elif width > height:
            size = (largest_size, round(height / width * largest_size))
        else:
            size = (largest_size, largest_size)
        return (common_upscale(image, size, upscale_method),)


class ImageScaleToTotalPixels(ScalingNode):
    """A picture scaled to a number of megapixels."""

    def upscale(
        self, image: Pixels, upscale_method: str, megapixels: float, resolution_steps: int = 1
    ) -> tuple[Pixels]:
        """Scale; newer servers can round the sides to a multiple."""
        height, width = image.shape[1:3]
        total = megapixels * MEGAPIXEL
        factor = sqrt((total if self.host.is_new else int(total)) / (width * height))
        sides = (round(side * factor / resolution_steps) * resolution_steps for side in (width, height))
        return (common_upscale(image, (next(sides), next(sides)), upscale_method),)


class ResizeAndPadImage(ScalingNode):
    """A picture scaled into a size, on white or black."""

    def upscale(
        self,
        image: Pixels,
        *,
        target_width: int,
        target_height: int,
        padding_color: str,
        interpolation: str,
    ) -> tuple[Pixels]:
        """Scale as far as both sides allow, and centre."""
        batch, height, width, channels = image.shape
        factor = min(target_width / width, target_height / height)
        size = (int(width * factor), int(height * factor))
        level = 0.0 if padding_color == "black" else 1.0
        padded = np.full(bounded(batch, target_height, target_width, channels), level, dtype=np.float32)
        top, left = (target_height - size[1]) // 2, (target_width - size[0]) // 2
        scaled = common_upscale(image, size, interpolation)
        padded[:, top : top + size[1], left : left + size[0]] = scaled
        return (padded,)


class FluxKontextImageScale(DeclaredNode):
    """A picture scaled to the nearest of the sizes that Flux Kontext was trained on (lanczos)."""

    def execute(self, image: Pixels) -> tuple[Pixels]:
        """Scale."""
        aspect = image.shape[2] / image.shape[1]
        _, width, height = min((abs(aspect - w / h), w, h) for w, h in KONTEXT_SIZES)
        return (common_upscale(image, (width, height), "lanczos", crop="center"),)
