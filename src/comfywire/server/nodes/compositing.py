"""Putting a picture or a latent onto another through a mask (comfy_extras/nodes_mask.py, composite)."""

from __future__ import annotations

import numpy as np

from comfywire.server.nodes.blending import alpha_fixed
from comfywire.server.nodes.declared import ONE_LEVEL, DeclaredNode
from comfywire.server.nodes.latent_scaling import Latent
from comfywire.server.nodes.masks import flat
from comfywire.server.nodes.resize import Pixels, common_upscale, repeated

__all__ = ["ImageCompositeMasked", "LatentCompositeMasked"]

LATENT_PIXELS = 8


class ImageCompositeMasked(DeclaredNode):
    """A picture put onto another, through a mask if there is one."""

    FIDELITY = ONE_LEVEL

    def execute(
        self,
        destination: Pixels,
        source: Pixels,
        *,
        x: int,
        y: int,
        resize_source: bool,
        mask: Pixels | None = None,
    ) -> tuple[Pixels]:
        """Composite."""
        destination, source = alpha_fixed(destination, source, is_new=self.host.is_new)
        return (_composite(destination, source, (x, y), mask, resize_source=resize_source),)


class LatentCompositeMasked(DeclaredNode):
    """A latent put onto another, through a mask if there is one."""

    FIDELITY = ONE_LEVEL

    def execute(
        self,
        destination: Latent,
        source: Latent,
        *,
        x: int,
        y: int,
        resize_source: bool,
        mask: Pixels | None = None,
    ) -> tuple[Latent]:
        """Composite; x and y are pixels."""
        below, above = (np.moveaxis(each["samples"], 1, -1) for each in (destination, source))
        corner = (x // LATENT_PIXELS, y // LATENT_PIXELS)
        made = _composite(below, above, corner, mask, resize_source=resize_source)
        return ({**destination, "samples": np.moveaxis(made, -1, 1)},)


def _composite(
    below: Pixels, above: Pixels, corner: tuple[int, int], mask: Pixels | None, *, resize_source: bool
) -> Pixels:
    """Mix where they overlap; what is outside is not there."""
    if resize_source:
        above = common_upscale(above, (below.shape[2], below.shape[1]), "bilinear")
    above = repeated(above, len(below))
    result = np.array(below)
    x, y = (min(place, size) for place, size in zip(corner, (below.shape[2], below.shape[1]), strict=True))
    place = result[:, y : y + above.shape[1], x : x + above.shape[2]]
    if mask is None:
        share = np.ones((*above.shape[:3], 1), dtype=np.float32)
    else:
        scaled = common_upscale(flat(mask)[..., None], (above.shape[2], above.shape[1]), "bilinear")
        share = repeated(scaled, len(above))
    share = share[:, : place.shape[1], : place.shape[2]]
    visible = above[:, : place.shape[1], : place.shape[2]]
    place[:] = share * visible + (np.float32(1.0) - share) * place
    return result
