"""Two pictures as one (comfy_extras/nodes_post_processing.py, nodes_compositing.py)."""

from __future__ import annotations

import numpy as np

from comfywire.server.nodes.declared import ONE_LEVEL, DeclaredNode
from comfywire.server.nodes.images import with_channels
from comfywire.server.nodes.resize import Pixels, common_upscale, repeated

__all__ = ["ImageBlend", "JoinImageWithAlpha", "PorterDuffImageComposite", "SplitImageWithAlpha"]

BARELY_THERE = 1e-5


class ImageBlend(DeclaredNode):
    """Two pictures mixed; another size is scaled to the first's (bicubic)."""

    FIDELITY = ONE_LEVEL

    def execute(self, image1: Pixels, image2: Pixels, blend_factor: float, blend_mode: str) -> tuple[Pixels]:
        """Mix the first with the blend of both."""
        image1, image2 = alpha_fixed(image1, image2, is_new=self.host.is_new)
        if image1.shape != image2.shape:
            image2 = common_upscale(image2, (image1.shape[2], image1.shape[1]), "bicubic", crop="center")
        blended = _blend(image1, image2, blend_mode)
        mixed = image1 * np.float32(1 - blend_factor) + blended * np.float32(blend_factor)
        return (np.clip(mixed, 0, 1).astype(np.float32),)


class SplitImageWithAlpha(DeclaredNode):
    """A picture's colours, and what is transparent as a mask."""

    def execute(self, image: Pixels) -> tuple[Pixels, Pixels]:
        """Take them apart."""
        alpha = image[..., 3] if image.shape[3] > 3 else np.ones(image.shape[:3], dtype=np.float32)
        return image[..., :3], np.float32(1.0) - alpha


class JoinImageWithAlpha(DeclaredNode):
    """A picture that is transparent where a mask says so."""

    FIDELITY = ONE_LEVEL

    def execute(self, image: Pixels, alpha: Pixels) -> tuple[Pixels]:
        """Put them together; older servers make as many as the smaller batch, newer as the larger."""
        size = (image.shape[2], image.shape[1])
        opaque = np.float32(1.0) - common_upscale(alpha.reshape(-1, *alpha.shape[-2:], 1), size, "bilinear")
        count = (max if self.host.is_new else min)(len(image), len(alpha))
        return (np.concatenate((repeated(image, count)[..., :3], repeated(opaque, count)), axis=-1),)


class PorterDuffImageComposite(DeclaredNode):
    """Two pictures with transparency put together by one of eighteen rules."""

    FIDELITY = ONE_LEVEL

    def execute(
        self,
        source: Pixels,
        source_alpha: Pixels,
        destination: Pixels,
        destination_alpha: Pixels,
        mode: str,
    ) -> tuple[Pixels, Pixels]:
        """Composite pair by pair, at the destination's size."""
        count = min(map(len, (source, source_alpha, destination, destination_alpha)))
        if source.shape[3] != destination.shape[3]:
            raise AssertionError
        size = (destination.shape[2], destination.shape[1])
        image = [_sized(each[:count], size) for each in (source, destination)]
        alpha = [
            np.float32(1.0) - _sized(each[:count, :, :, None], size)
            for each in (source_alpha, destination_alpha)
        ]
        colour, opaque = _composite(image[0] * alpha[0], alpha[0], image[1] * alpha[1], alpha[1], mode)
        plain = np.divide(colour, opaque, out=np.zeros_like(colour), where=opaque > BARELY_THERE)
        return np.clip(plain, 0, 1), (np.float32(1.0) - opaque)[..., 0]


def alpha_fixed(destination: Pixels, source: Pixels, *, is_new: bool) -> tuple[Pixels, Pixels]:
    """Bring both to the destination's channels (node_helpers.py, image_alpha_fix).

    Raises:
        RuntimeError: Only the destination has alpha: 0.3.64 makes five channels of its four.

    """
    if destination.shape[-1] > source.shape[-1]:
        if not is_new:
            raise RuntimeError(
                f"The size of tensor a ({destination.shape[-1] + 1}) must match the size of tensor b "
                f"({source.shape[-1]}) at non-singleton dimension 3"
            )
        source = with_channels(source, destination.shape[-1])
    return destination, source[..., : destination.shape[-1]]


def _sized(image: Pixels, size: tuple[int, int]) -> Pixels:
    if (image.shape[2], image.shape[1]) == size:
        return image
    return common_upscale(image, size, "bicubic", crop="center")


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


def _composite(
    source: Pixels, source_alpha: Pixels, below: Pixels, below_alpha: Pixels, mode: str
) -> tuple[Pixels, Pixels]:
    """Return colour (times alpha, as the inputs are) and alpha."""
    both = source_alpha + below_alpha - source_alpha * below_alpha
    outside_source, outside_below = 1 - source_alpha, 1 - below_alpha
    apart = outside_below * source + outside_source * below  # each where the other is not
    lit = np.where(
        2 * below < below_alpha,
        2 * source * below,
        source_alpha * below_alpha - 2 * (below_alpha - source) * (source_alpha - below),
    )
    rules = {
        "ADD": lambda: (np.clip(source + below, 0, 1), np.clip(source_alpha + below_alpha, 0, 1)),
        "CLEAR": lambda: (np.zeros_like(below), np.zeros_like(below_alpha)),
        "DARKEN": lambda: (apart + np.minimum(source, below), both),
        "DST": lambda: (below, below_alpha),
        "DST_ATOP": lambda: (source_alpha * below + outside_below * source, source_alpha),
        "DST_IN": lambda: (below * source_alpha, source_alpha * below_alpha),
        "DST_OUT": lambda: (outside_source * below, outside_source * below_alpha),
        "DST_OVER": lambda: (below + outside_below * source, below_alpha + outside_below * source_alpha),
        "LIGHTEN": lambda: (apart + np.maximum(source, below), both),
        "MULTIPLY": lambda: (source * below, source_alpha * below_alpha),
        "OVERLAY": lambda: (lit, both),
        "SCREEN": lambda: (source + below - source * below, both),
        "SRC": lambda: (source, source_alpha),
        "SRC_ATOP": lambda: (below_alpha * source + outside_source * below, below_alpha),
        "SRC_IN": lambda: (source * below_alpha, source_alpha * below_alpha),
        "SRC_OUT": lambda: (outside_below * source, outside_below * source_alpha),
        "SRC_OVER": lambda: (source + outside_source * below, source_alpha + outside_source * below_alpha),
        "XOR": lambda: (apart, outside_below * source_alpha + outside_source * below_alpha),
    }
    made: tuple[Pixels, Pixels] = rules[mode]()  # type: ignore[no-untyped-call]
    return made
