"""Two latents as one (nodes.py, comfy_extras/nodes_latent.py)."""

from __future__ import annotations

import numpy as np

from comfywire.server.nodes.bounds import bounded
from comfywire.server.nodes.declared import EXACT, ONE_LEVEL, DeclaredNode
from comfywire.server.nodes.latent_scaling import Latent, upscaled
from comfywire.server.nodes.resize import Pixels, repeated

__all__ = [
    "LatentAdd",
    "LatentBatch",
    "LatentBlend",
    "LatentComposite",
    "LatentInterpolate",
    "LatentMultiply",
    "LatentSubtract",
    "batched",
]

LATENT_PIXELS = 8


class TwoLatents(DeclaredNode):
    """A node of two latents: another size is scaled to the first's (bilinear)."""

    FIDELITY = ONE_LEVEL


class LatentAdd(TwoLatents):
    """The sum of two latents."""

    def execute(self, samples1: Latent, samples2: Latent) -> tuple[Latent]:
        """Add."""
        first = samples1["samples"]
        return ({**samples1, "samples": first + _like(first, samples2)},)


class LatentSubtract(TwoLatents):
    """The difference of two latents."""

    def execute(self, samples1: Latent, samples2: Latent) -> tuple[Latent]:
        """Subtract."""
        first = samples1["samples"]
        return ({**samples1, "samples": first - _like(first, samples2)},)


class LatentMultiply(DeclaredNode):
    """A latent times a number."""

    FIDELITY = EXACT

    def execute(self, samples: Latent, multiplier: float) -> tuple[Latent]:
        """Multiply."""
        return ({**samples, "samples": samples["samples"] * np.float32(multiplier)},)


class LatentInterpolate(TwoLatents):
    """Two latents mixed by direction and length of their channels."""

    def execute(self, samples1: Latent, samples2: Latent, ratio: float) -> tuple[Latent]:
        """Mix; directions and lengths are mixed apart."""
        first = samples1["samples"]
        second = _like(first, samples2)
        share, rest = np.float32(ratio), np.float32(1.0 - ratio)
        lengths = [np.linalg.norm(each, axis=1) for each in (first, second)]
        mixed = _over(first, lengths[0]) * share + _over(second, lengths[1]) * rest
        direction = _over(mixed, np.linalg.norm(mixed, axis=1))
        return ({**samples1, "samples": direction * (lengths[0] * share + lengths[1] * rest)},)


class LatentBatch(TwoLatents):
    """Two batches of latents as one."""

    def execute(self, samples1: Latent, samples2: Latent) -> tuple[Latent]:
        """String them together, with their numbers."""
        return (batched([samples1, samples2]),)


class LatentBlend(TwoLatents):
    """Two latents mixed; another size is scaled to the first's (bicubic)."""

    def execute(self, samples1: Latent, samples2: Latent, blend_factor: float) -> tuple[Latent]:
        """Mix."""
        first, second = samples1["samples"], samples2["samples"]
        if first.shape != second.shape:
            second = upscaled(second, (first.shape[3], first.shape[2]), "bicubic", crop="center")
        mixed = first * np.float32(blend_factor) + second * np.float32(1 - blend_factor)
        return ({**samples1, "samples": mixed},)


class LatentComposite(DeclaredNode):
    """A latent put onto another, fading at its edges if wanted."""

    FIDELITY = EXACT

    def execute(
        self, samples_to: Latent, samples_from: Latent, x: int, y: int, feather: int
    ) -> tuple[Latent]:
        """Composite; x, y and feather are pixels. An edge on the border does not fade."""
        result = samples_to["samples"].copy()
        x, y, feather = (value // LATENT_PIXELS for value in (x, y, feather))
        above = samples_from["samples"]
        place = result[:, :, y : y + above.shape[2], x : x + above.shape[3]]
        above = above[:, :, : place.shape[2], : place.shape[3]]
        if feather == 0:
            place[:] = above
        else:
            share = _faded(above, (x, y), result, feather)
            place[:] = above * share + place * (np.float32(1.0) - share)
        return ({**samples_to, "samples": result},)


def batched(latents: list[Latent]) -> Latent:
    """String latents together in the first one's size, with their numbers."""
    first = latents[0]["samples"]
    batches = [_sized(first, latent["samples"]) for latent in latents]
    bounded(sum(map(len, batches)), *first.shape[1:])
    numbers = [
        number
        for latent, batch in zip(latents, batches, strict=True)
        for number in latent.get("batch_index", range(len(batch)))
    ]
    return {**latents[0], "samples": np.concatenate(batches), "batch_index": numbers}


def _faded(above: Pixels, corner: tuple[int, int], below: Pixels, feather: int) -> Pixels:
    share = np.ones_like(above)
    rows, columns = above.shape[2:]
    for step in range(feather):
        rate = np.float32((1.0 / feather) * (step + 1))
        if corner[1] != 0:
            share[:, :, step : step + 1] *= rate
        if corner[1] + rows < below.shape[2]:
            share[:, :, rows - 1 - step : rows - step] *= rate
        if corner[0] != 0:
            share[:, :, :, step : step + 1] *= rate
        if corner[0] + columns < below.shape[3]:
            share[:, :, :, columns - 1 - step : columns - step] *= rate
    return share


def _sized(first: Pixels, second: Pixels) -> Pixels:
    if first.shape[1:] == second.shape[1:]:
        return second
    return upscaled(second, (first.shape[-1], first.shape[-2]), "bilinear", crop="center")


def _like(first: Pixels, other: Latent) -> Pixels:
    """Return the other's samples in the first's size and number."""
    return repeated(_sized(first, other["samples"]), len(first))


def _over(vector: Pixels, length: Pixels) -> Pixels:
    """Divide by the length; the shapes meet as they do in ComfyUI, and nothing by nothing is nothing."""
    with np.errstate(divide="ignore", invalid="ignore"):
        shares: Pixels = np.nan_to_num(vector / length)
    return shares
