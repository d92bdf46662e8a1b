"""Masks (comfy_extras/nodes_mask.py): arrays [batch, height, width]."""

from __future__ import annotations

import numpy as np

from comfywire.server.nodes.bounds import bounded
from comfywire.server.nodes.declared import DeclaredNode
from comfywire.server.nodes.resize import Pixels

__all__ = [
    "CropMask",
    "FeatherMask",
    "GrowMask",
    "ImageColorToMask",
    "ImageToMask",
    "InvertMask",
    "MaskComposite",
    "MaskToImage",
    "SolidMask",
    "ThresholdMask",
]

CHANNELS = ["red", "green", "blue", "alpha"]


class SolidMask(DeclaredNode):
    """A mask with one value."""

    FUNCTION = "solid"

    def solid(self, value: float, width: int, height: int) -> tuple[Pixels]:
        """Fill a mask."""
        return (np.full(bounded(1, height, width), value, dtype=np.float32),)


class MaskToImage(DeclaredNode):
    """A mask as a grey picture."""

    FUNCTION = "mask_to_image"

    def mask_to_image(self, mask: Pixels) -> tuple[Pixels]:
        """Repeat the mask in three channels."""
        grey = flat(mask)[..., None]
        return (np.broadcast_to(grey, (*grey.shape[:-1], 3)),)


class InvertMask(DeclaredNode):
    """The opposite of a mask."""

    FUNCTION = "invert"

    def invert(self, mask: Pixels) -> tuple[Pixels]:
        """Subtract from one."""
        return (np.float32(1.0) - mask,)


class ImageToMask(DeclaredNode):
    """One channel of a picture."""

    def execute(self, image: Pixels, channel: str) -> tuple[Pixels]:
        """Take it out."""
        return (image[..., CHANNELS.index(channel)],)


class ImageColorToMask(DeclaredNode):
    """Where a picture has just one colour."""

    def execute(self, image: Pixels, color: int) -> tuple[Pixels]:
        """Compare in 8 bits, rounded."""
        levels = (np.clip(image, 0, 1) * np.float32(255)).round().astype(np.int64)
        found = (levels[..., 0] << 16) + (levels[..., 1] << 8) + levels[..., 2]
        return ((found == color).astype(np.float32),)


class ThresholdMask(DeclaredNode):
    """Where a mask is above a value."""

    def execute(self, mask: Pixels, value: float) -> tuple[Pixels]:
        """Compare."""
        return ((mask > np.float32(value)).astype(np.float32),)


class CropMask(DeclaredNode):
    """A part of a mask."""

    def execute(self, mask: Pixels, x: int, y: int, width: int, height: int) -> tuple[Pixels]:
        """Cut; the part ends at the edge."""
        return (flat(mask)[:, y : y + height, x : x + width],)


class MaskComposite(DeclaredNode):
    """A mask put onto another by a sum, a difference, a product or a word of logic."""

    def execute(self, destination: Pixels, source: Pixels, x: int, y: int, operation: str) -> tuple[Pixels]:
        """Combine where they overlap."""
        result = flat(destination).copy()
        source = flat(source)
        below = result[:, y : y + source.shape[1], x : x + source.shape[2]]
        above = source[:, : below.shape[1], : below.shape[2]]
        below[:] = _combined(below, above, operation)
        return (np.clip(result, 0, 1),)


class FeatherMask(DeclaredNode):
    """A mask that fades towards its edges."""

    def execute(self, mask: Pixels, left: int, top: int, right: int, bottom: int) -> tuple[Pixels]:
        """Fade line by line; in 0.3.64, the last line but none is the first one of all."""
        result = flat(mask).copy()
        first = -1 if self.host.is_new else 0
        height, width = result.shape[1:]
        for x in range(count := min(left, width)):
            result[:, :, x] *= np.float32((x + 1) / count)
        for x in range(count := min(right, width)):
            result[:, :, first - x] *= np.float32((x + 1) / count)
        for y in range(count := min(top, height)):
            result[:, y] *= np.float32((y + 1) / count)
        for y in range(count := min(bottom, height)):
            result[:, first - y] *= np.float32((y + 1) / count)
        return (result,)


class GrowMask(DeclaredNode):
    """A mask made larger or smaller by some pixels, with round or square corners."""

    def execute(self, mask: Pixels, expand: int, tapered_corners: bool) -> tuple[Pixels]:  # noqa: FBT001
        """Let each pixel take the largest (or smallest) value beside it, time after time."""
        result = flat(mask)
        extreme = np.minimum if expand < 0 else np.maximum
        for _ in range(abs(expand)):
            grown = _beside(result, extreme, is_square=not tapered_corners)
            if np.array_equal(grown, result):
                break  # more rounds would change nothing, however many were asked for
            result = grown
        return (result,)


def flat(mask: Pixels) -> Pixels:
    """Return the mask as [batch, height, width], whatever leads its shape."""
    return mask.reshape((-1, *mask.shape[-2:]))


def _combined(below: Pixels, above: Pixels, operation: str) -> Pixels:
    match operation:
        case "multiply":
            return below * above
        case "add":
            return below + above
        case "subtract":
            return below - above
    logic = {"and": np.logical_and, "or": np.logical_or, "xor": np.logical_xor}[operation]
    return logic(below.round(), above.round()).astype(np.float32)


def _beside(mask: Pixels, extreme: np.ufunc, *, is_square: bool) -> Pixels:
    """Look at the four neighbours, or at all eight; the edge is mirrored."""
    padded = np.pad(mask, ((0, 0), (1, 1), (1, 1)), mode="symmetric")
    height, width = mask.shape[1:]
    result = mask
    for row in range(3):
        for column in range(3):
            if is_square or 1 in (row, column):
                result = extreme(result, padded[:, row : row + height, column : column + width])
    return result
