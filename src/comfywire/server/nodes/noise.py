"""Noise as torch's generator on the CPU makes it (torch.randn: mt19937 and Box-Muller, sixteen at a time)."""

from __future__ import annotations

from math import prod

import numpy as np
from numpy.typing import NDArray

from comfywire.server.nodes.bounds import bounded
from comfywire.server.nodes.declared import ONE_LEVEL, DeclaredNode
from comfywire.server.nodes.resize import Pixels

__all__ = ["ImageAddNoise", "torch_noise"]

BLOCK = 16
MANTISSA = 24


class ImageAddNoise(DeclaredNode):
    """A picture with noise, the same as ComfyUI's for a seed."""

    FIDELITY = ONE_LEVEL

    def execute(self, image: Pixels, seed: int, strength: float) -> tuple[Pixels]:
        """Add it."""
        noise = torch_noise(image.shape, seed)
        return (np.clip(image + np.float32(strength) * noise, 0, 1),)


def torch_noise(shape: tuple[int, ...], seed: int) -> Pixels:
    """Return what torch.randn does after torch.manual_seed, for sixteen numbers or more."""
    count = prod(bounded(*shape))
    twister = np.random.MT19937()
    twister._legacy_seeding(seed & 0xFFFFFFFF)  # noqa: SLF001 - numpy's name for the generator's own seeding
    if count < BLOCK:
        return _normal(_uniform(twister, BLOCK))[:count].reshape(shape)  # here torch has another way
    uniform = _uniform(twister, count)
    whole = count // BLOCK * BLOCK
    made = np.empty(count, dtype=np.float32)
    made[:whole] = _normal(uniform[:whole])
    if count % BLOCK:
        # The last sixteen are drawn anew, so that they are a block too.
        made[-BLOCK:] = _normal(_uniform(twister, BLOCK))
    return made.reshape(shape)


def _uniform(twister: np.random.MT19937, count: int) -> Pixels:
    """Return numbers from 0 to below 1, each of the lower 24 bits of one of the generator's."""
    drawn: NDArray[np.uint64] = twister.random_raw(count)
    bits = (drawn & np.uint64((1 << MANTISSA) - 1)).astype(np.float32)
    return bits * np.float32(2.0**-MANTISSA)


def _normal(uniform: Pixels) -> Pixels:
    blocks = uniform.reshape(-1, 2, BLOCK // 2)
    radius = np.sqrt(np.float32(-2) * np.log(np.float32(1) - blocks[:, 0]))
    angle = np.float32(2 * np.pi) * blocks[:, 1]
    return np.stack((radius * np.cos(angle), radius * np.sin(angle)), axis=1).reshape(-1)
