"""Scaling latents (nodes.py, LatentUpscale; comfy/utils.py, bislerp), and what a latent is."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from comfywire.server.nodes.bounds import bounded
from comfywire.server.nodes.declared import ONE_LEVEL, DeclaredNode
from comfywire.server.nodes.resize import Pixels, common_upscale, cut_to_shape, neighbours

__all__ = ["Latent", "LatentUpscale", "LatentUpscaleBy", "upscaled"]

Latent = dict[str, Any]
"""``samples`` [batch, channels, height, width], and what nodes add: noise_mask, batch_index, drawing."""

SMALLEST = 64
LATENT_PIXELS = 8
ALIKE = 1e-5


class LatentUpscale(DeclaredNode):
    """A latent of another size."""

    FIDELITY = ONE_LEVEL

    def execute(
        self, samples: Latent, upscale_method: str, width: int, height: int, crop: str
    ) -> tuple[Latent]:
        """Scale; sides are pixels, at least 64, and one of 0 follows from the other."""
        if width == 0 and height == 0:
            return (samples,)
        rows, columns = samples["samples"].shape[-2:]
        if width == 0:
            height = max(SMALLEST, height)
            width = max(SMALLEST, round(columns * height / rows))
        elif height == 0:
            width = max(SMALLEST, width)
            height = max(SMALLEST, round(rows * width / columns))
        size = (max(SMALLEST, width) // LATENT_PIXELS, max(SMALLEST, height) // LATENT_PIXELS)
        return ({**samples, "samples": upscaled(samples["samples"], size, upscale_method, crop=crop)},)


class LatentUpscaleBy(DeclaredNode):
    """A latent scaled by a factor."""

    FIDELITY = ONE_LEVEL

    def execute(self, samples: Latent, upscale_method: str, scale_by: float) -> tuple[Latent]:
        """Scale."""
        rows, columns = samples["samples"].shape[-2:]
        size = (round(columns * scale_by), round(rows * scale_by))
        return ({**samples, "samples": upscaled(samples["samples"], size, upscale_method)},)


def upscaled(samples: Pixels, size: tuple[int, int], method: str, *, crop: str = "disabled") -> Pixels:
    """Scale [batch, channels, (frames,) height, width] to ``size`` (width, height)."""
    if samples.ndim > 4:
        frames = np.moveaxis(samples, 2, 1)
        scaled = upscaled(frames.reshape(-1, *frames.shape[2:]), size, method, crop=crop)
        return np.moveaxis(scaled.reshape(*frames.shape[:2], *scaled.shape[1:]), 2, 1)
    pixels = np.moveaxis(samples, 1, -1)
    if method != "bislerp":
        return np.moveaxis(common_upscale(pixels, size, method, crop=crop), -1, 1)
    bounded(len(pixels), size[1], size[0], pixels.shape[3])
    if crop == "center":
        pixels = cut_to_shape(pixels, size[0] / size[1])
    across = _between(pixels, 2, size[0])
    return np.moveaxis(_between(across, 1, size[1]), -1, 1)


def _between(pixels: Pixels, axis: int, size: int) -> Pixels:
    """Scale one axis by turning each vector of channels towards its neighbour."""
    low, high, part = neighbours(pixels.shape[axis], size)
    shape = [1, 1, 1, 1]
    shape[axis] = -1
    return _slerp(np.take(pixels, low, axis), np.take(pixels, high, axis), part.reshape(shape))


def _slerp(one: Pixels, two: Pixels, part: Pixels) -> Pixels:
    """Turn direction and stretch length; vectors that are alike stay, opposite ones are mixed."""
    lengths = [np.linalg.norm(each, axis=-1, keepdims=True) for each in (one, two)]
    first, second = (
        np.divide(each, length, out=np.zeros_like(each), where=length != 0)
        for each, length in zip((one, two), lengths, strict=True)
    )
    cosine = (first * second).sum(axis=-1, keepdims=True)
    angle = np.arccos(np.clip(cosine, -1, 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        turned = (np.sin((1 - part) * angle) * first + np.sin(part * angle) * second) / np.sin(angle)
    turned = turned * (lengths[0] * (1 - part) + lengths[1] * part)
    turned = np.where(cosine > 1 - ALIKE, one, turned)
    mixed: NDArray[np.float32] = np.where(cosine < ALIKE - 1, one * (1 - part) + two * part, turned)
    return mixed.astype(np.float32)
