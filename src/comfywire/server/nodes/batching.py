"""Batches of as many inputs as there are (comfy_extras/nodes_post_processing.py, 0.33.0)."""

from __future__ import annotations

from typing import Any

import numpy as np

from comfywire.server.nodes.bounds import bounded
from comfywire.server.nodes.declared import ONE_LEVEL, DeclaredNode
from comfywire.server.nodes.images import with_channels
from comfywire.server.nodes.latent_math import batched
from comfywire.server.nodes.latent_scaling import Latent
from comfywire.server.nodes.resize import Pixels, common_upscale

__all__ = ["BatchImagesNode", "BatchLatentsNode", "BatchMasksNode"]


class BatchImagesNode(DeclaredNode):
    """Pictures as one batch, in the first one's size (bilinear)."""

    FIDELITY = ONE_LEVEL

    def execute(self, **images: Pixels) -> tuple[Pixels]:
        """String them together; all get alpha if one has it."""
        channels = max(image.shape[-1] for image in images.values())
        return (_strung([with_channels(image, channels) for image in images.values()]),)


class BatchMasksNode(DeclaredNode):
    """Masks as one batch, in the first one's size (bilinear)."""

    FIDELITY = ONE_LEVEL

    def execute(self, **masks: Pixels) -> tuple[Pixels]:
        """String them together."""
        return (_strung([mask[..., None] for mask in masks.values()])[..., 0],)


class BatchLatentsNode(DeclaredNode):
    """Latents as one batch, in the first one's size (bilinear)."""

    FIDELITY = ONE_LEVEL

    def execute(self, **latents: Latent) -> tuple[Latent]:
        """String them together, with their numbers."""
        return (batched(list(latents.values())),)


def _strung(pictures: list[Any]) -> Pixels:
    height, width = pictures[0].shape[1:3]
    bounded(sum(map(len, pictures)), height, width, pictures[0].shape[3])
    fitted = [
        each
        if each.shape[1:3] == (height, width)
        else common_upscale(each, (width, height), "bilinear", crop="center")
        for each in pictures
    ]
    return np.concatenate(fitted)
