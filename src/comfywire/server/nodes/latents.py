"""Making, choosing and turning latents (nodes.py, comfy_extras/nodes_latent.py and others)."""

from __future__ import annotations

from math import ceil

import numpy as np

from comfywire.server.nodes.bounds import bounded
from comfywire.server.nodes.declared import DeclaredNode
from comfywire.server.nodes.latent_scaling import Latent
from comfywire.server.nodes.resize import Pixels

__all__ = [
    "EmptyFlux2LatentImage",
    "EmptyHunyuanLatentVideo",
    "EmptyLatentImage",
    "EmptySD3LatentImage",
    "LatentBatchSeedBehavior",
    "LatentConcat",
    "LatentCrop",
    "LatentCut",
    "LatentFlip",
    "LatentFromBatch",
    "LatentRotate",
    "RepeatLatentBatch",
    "SetLatentNoiseMask",
]

QUARTERS = {"none": 0, "90 degrees": 1, "180 degrees": 2, "270 degrees": 3}
LATENT_PIXELS = 8
SMALLEST_CROP = 8
AXES = {"x": -1, "y": -2, "t": -3}


class EmptyLatentImage(DeclaredNode):
    """A latent of zeros with four channels, an eighth of the picture's size."""

    FUNCTION = "generate"

    def generate(self, width: int, height: int, batch_size: int = 1) -> tuple[Latent]:
        """Make zeros."""
        return (_zeros(batch_size, 4, height // LATENT_PIXELS, width // LATENT_PIXELS),)


class EmptySD3LatentImage(DeclaredNode):
    """A latent of zeros with sixteen channels."""

    def execute(self, width: int, height: int, batch_size: int = 1) -> tuple[Latent]:
        """Make zeros."""
        return (_zeros(batch_size, 16, height // LATENT_PIXELS, width // LATENT_PIXELS),)


class EmptyFlux2LatentImage(DeclaredNode):
    """A latent of zeros with 128 channels, a sixteenth of the picture's size."""

    def execute(self, width: int, height: int, batch_size: int = 1) -> tuple[Latent]:
        """Make zeros."""
        return (_zeros(batch_size, 128, height // 16, width // 16),)


class EmptyHunyuanLatentVideo(DeclaredNode):
    """A latent of zeros for a video: sixteen channels, one latent frame for four."""

    def execute(self, width: int, height: int, length: int, batch_size: int = 1) -> tuple[Latent]:
        """Make zeros."""
        sides = (height // LATENT_PIXELS, width // LATENT_PIXELS)
        return (_zeros(batch_size, 16, (length - 1) // 4 + 1, *sides),)


class LatentFromBatch(DeclaredNode):
    """Some latents of a batch; an index behind its end means the last one."""

    def execute(self, samples: Latent, batch_index: int, length: int) -> tuple[Latent]:
        """Take them out, with their masks and numbers."""
        batch = samples["samples"]
        start = min(len(batch) - 1, batch_index)
        chosen = slice(start, start + min(len(batch) - start, length))
        made = {**samples, "samples": batch[chosen].copy()}
        masks = samples.get("noise_mask")
        if masks is not None and len(masks) > 1:
            made["noise_mask"] = np.tile(masks, (ceil(len(batch) / len(masks)), 1, 1, 1))[chosen]
        made["batch_index"] = samples.get("batch_index", list(range(len(batch))))[chosen]
        return (made,)


class RepeatLatentBatch(DeclaredNode):
    """A batch of latents some times over."""

    def execute(self, samples: Latent, amount: int) -> tuple[Latent]:
        """Repeat it; numbers go on, so that seeds differ."""
        bounded(amount, *samples["samples"].shape)
        made = {**samples, "samples": _tiled(samples["samples"], amount)}
        masks = samples.get("noise_mask")
        if masks is not None and len(masks) > 1:
            made["noise_mask"] = _tiled(masks, amount)
        numbers = samples.get("batch_index")
        if numbers is not None:
            offset = max(numbers) - min(numbers) + 1
            made["batch_index"] = [number + turn * offset for turn in range(amount) for number in numbers]
        return (made,)


class LatentBatchSeedBehavior(DeclaredNode):
    """Whether the latents of a batch get the same noise."""

    def execute(self, samples: Latent, seed_behavior: str) -> tuple[Latent]:
        """Number them all alike, or not at all."""
        made = {key: value for key, value in samples.items() if key != "batch_index"}
        if seed_behavior == "fixed":
            made["batch_index"] = samples.get("batch_index", [0])[:1] * len(samples["samples"])
        return (made,)


class LatentRotate(DeclaredNode):
    """A latent turned clockwise by quarters."""

    def execute(self, samples: Latent, rotation: str) -> tuple[Latent]:
        """Turn it."""
        return ({**samples, "samples": np.rot90(samples["samples"], QUARTERS[rotation], axes=(3, 2))},)


class LatentFlip(DeclaredNode):
    """A latent mirrored."""

    def execute(self, samples: Latent, flip_method: str) -> tuple[Latent]:
        """Mirror it."""
        axis = 2 if flip_method.startswith("x") else 3
        return ({**samples, "samples": np.flip(samples["samples"], axis)},)


class LatentCrop(DeclaredNode):
    """A part of a latent."""

    def execute(self, samples: Latent, width: int, height: int, x: int, y: int) -> tuple[Latent]:
        """Cut; sides are pixels, and at least 64 of them stay."""
        batch = samples["samples"]
        left = min(x // LATENT_PIXELS, batch.shape[3] - SMALLEST_CROP)
        top = min(y // LATENT_PIXELS, batch.shape[2] - SMALLEST_CROP)
        rows, columns = height // LATENT_PIXELS, width // LATENT_PIXELS
        return ({**samples, "samples": batch[:, :, top : top + rows, left : left + columns]},)


class LatentCut(DeclaredNode):
    """Some columns, rows or frames of a latent; a negative index counts from the end."""

    def execute(self, samples: Latent, dim: str, index: int, amount: int) -> tuple[Latent]:
        """Cut."""
        batch = samples["samples"]
        size = batch.shape[AXES[dim]]
        start = min(index, size - 1) if index >= 0 else size + max(index, -size)
        cut = np.take(batch, range(start, start + min(size - start, amount)), AXES[dim])
        return ({**samples, "samples": cut},)


class LatentConcat(DeclaredNode):
    """Two latents side by side, one above the other, or one after the other."""

    def execute(self, samples1: Latent, samples2: Latent, dim: str) -> tuple[Latent]:
        """String them together; a minus puts the second first."""
        first, second = samples1["samples"], samples2["samples"]
        if len(first) != len(second):
            second = second[np.arange(len(first)) % len(second)]
        pair = (second, first) if dim.startswith("-") else (first, second)
        return ({**samples1, "samples": np.concatenate(pair, axis=AXES[dim[-1]])},)


class SetLatentNoiseMask(DeclaredNode):
    """A latent that is sampled only where a mask says so."""

    def execute(self, samples: Latent, mask: Pixels) -> tuple[Latent]:
        """Add the mask."""
        return ({**samples, "noise_mask": mask.reshape((-1, 1, *mask.shape[-2:]))},)


def _zeros(*shape: int) -> Latent:
    return {"samples": np.zeros(bounded(*shape), dtype=np.float32)}


def _tiled(batch: Pixels, amount: int) -> Pixels:
    return np.tile(batch, (amount, *[1] * (batch.ndim - 1)))
