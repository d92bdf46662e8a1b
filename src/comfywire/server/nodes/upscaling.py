"""Upscaling by a model (comfy_extras/nodes_upscale_model.py). SIMULATED: lanczos, with a label."""

from __future__ import annotations

import re
from math import ceil
from typing import Any

import numpy as np

from comfywire.server.nodes.declared import SIMULATED, DeclaredNode
from comfywire.server.nodes.files import to_pillow
from comfywire.server.nodes.placeholder import write_label
from comfywire.server.nodes.resize import Pixels, common_upscale

__all__ = ["ImageUpscaleWithModel"]

TILE, OVERLAP = 512, 32
USUAL_FACTOR = 4
FACTOR = re.compile(r"(?<!\d)([1248])x|x([1248])(?!\d)", re.IGNORECASE)


class ImageUpscaleWithModel(DeclaredNode):
    """A picture as many times larger as the model's name says, else four times; labelled."""

    FIDELITY = SIMULATED

    def execute(self, upscale_model: Any, image: Pixels) -> tuple[Pixels]:
        """Scale; progress counts the tiles that a model would take."""
        found = FACTOR.search(getattr(upscale_model, "name", ""))
        factor = int(found[1] or found[2]) if found else USUAL_FACTOR
        height, width = image.shape[1:3]
        scaled = common_upscale(image[..., :3], (width * factor, height * factor), "lanczos")
        tiles = len(image) * ceil(width / (TILE - OVERLAP)) * ceil(height / (TILE - OVERLAP))
        for tile in range(1, tiles + 1):
            self.host.sleep(self.host.step_time)
            self.host.progress(tile, tiles)
        pictures = [to_pillow(picture) for picture in scaled]
        for picture in pictures:
            write_label(picture)
        return (np.stack([np.asarray(one) for one in pictures]).astype(np.float32) / np.float32(255),)
