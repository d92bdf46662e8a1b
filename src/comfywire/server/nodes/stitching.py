"""Pictures side by side (comfy_extras/nodes_images.py, ImageStitch)."""

from __future__ import annotations

import numpy as np

from comfywire.server.nodes.bounds import bounded
from comfywire.server.nodes.declared import DeclaredNode
from comfywire.server.nodes.images import with_channels
from comfywire.server.nodes.resize import Pixels, common_upscale

__all__ = ["ImageStitch"]

COLOURS = {
    "white": (1.0, 1.0, 1.0),
    "black": (0.0, 0.0, 0.0),
    "red": (1.0, 0.0, 0.0),
    "green": (0.0, 1.0, 0.0),
    "blue": (0.0, 0.0, 1.0),
}
ROWS, COLUMNS = 1, 2  # axes of a picture


class ImageStitch(DeclaredNode):
    """Two batches side by side or one above the other, with a gap if wanted."""

    def execute(
        self,
        image1: Pixels,
        *,
        direction: str,
        match_image_size: bool,
        spacing_width: int,
        spacing_color: str,
        image2: Pixels | None = None,
    ) -> tuple[Pixels]:
        """Stitch them; the shorter batch repeats its last picture."""
        if image2 is None:
            return (image1,)
        along = COLUMNS if direction in ("left", "right") else ROWS
        count = max(len(image1), len(image2))
        first, second = _lengthened(image1, count), _lengthened(image2, count)
        if match_image_size:
            second = common_upscale(second, _matching(first, second, along), "lanczos")
        else:
            across = ROWS if along == COLUMNS else COLUMNS
            first, second = _levelled(first, second, across, spacing_color)
        channels = max(first.shape[-1], second.shape[-1])
        parts = [with_channels(first, channels), with_channels(second, channels)]
        if direction in ("left", "up"):
            parts.reverse()
        if spacing_width > 0:
            parts.insert(1, _gap(parts[0], spacing_width + spacing_width % 2, along, spacing_color))
        bounded(sum(part.size for part in parts))
        return (np.concatenate(parts, axis=along),)


def _lengthened(image: Pixels, count: int) -> Pixels:
    return np.concatenate((image, np.repeat(image[-1:], count - len(image), axis=0)))


def _matching(first: Pixels, second: Pixels, along: int) -> tuple[int, int]:
    """Return the second's size at the first's height, or width."""
    aspect = second.shape[COLUMNS] / second.shape[ROWS]
    if along == COLUMNS:
        return int(first.shape[ROWS] * aspect), first.shape[ROWS]
    return first.shape[COLUMNS], int(first.shape[COLUMNS] / aspect)


def _levelled(first: Pixels, second: Pixels, axis: int, colour: str) -> tuple[Pixels, Pixels]:
    """Pad the smaller one on both sides: white if the gap is white, else black."""
    size = max(first.shape[axis], second.shape[axis])
    level = 1.0 if colour == "white" else 0.0
    padded = []
    for image in (first, second):
        missing = size - image.shape[axis]
        widths = [(0, 0)] * 4
        widths[axis] = (missing // 2, missing - missing // 2)
        padded.append(np.pad(image, widths, constant_values=level))
    return padded[0], padded[1]


def _gap(beside: Pixels, width: int, axis: int, colour: str) -> Pixels:
    shape = list(beside.shape)
    shape[axis] = width
    gap = np.ones(shape, dtype=np.float32)
    gap[..., : min(3, shape[-1])] = np.array(COLOURS[colour], dtype=np.float32)[: min(3, shape[-1])]
    return gap
