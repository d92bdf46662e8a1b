"""Changing a sound's sample rate as torchaudio.functional.resample does it: a windowed sinc, in float32."""

from __future__ import annotations

from functools import cache
from math import ceil, gcd

import numpy as np
from numpy.typing import NDArray

__all__ = ["Wave", "resampled"]

Wave = NDArray[np.float32]

WIDTH = 6  # zero crossings on each side
ROLLOFF = 0.99


def resampled(wave: Wave, old_rate: int, new_rate: int) -> Wave:
    """Return a wave [..., samples] at another rate."""
    if old_rate == new_rate:
        return wave
    shared = gcd(old_rate, new_rate)
    old, new = old_rate // shared, new_rate // shared
    kernel, width = _kernel(old, new)
    flat = wave.reshape(-1, wave.shape[-1])
    padded = np.pad(flat, ((0, 0), (width, width + old)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape[1], axis=1)[:, ::old]
    made = (windows @ kernel.T).reshape(len(flat), -1)
    length = ceil(new * wave.shape[-1] / old)
    return made[:, :length].reshape(*wave.shape[:-1], length).astype(np.float32)


@cache
def _kernel(old: int, new: int) -> tuple[Wave, int]:
    """Return a filter for each phase, and how far it reaches to each side."""
    base = min(old, new) * ROLLOFF
    width = ceil(WIDTH * old / base)
    reach = np.arange(-width, width + old, dtype=np.float64) / old
    times = (np.arange(0, -new, -1, dtype=np.float64)[:, None] / new + reach) * base
    times = np.clip(times, -WIDTH, WIDTH)
    window = np.cos(times * np.pi / WIDTH / 2) ** 2
    kernel = np.sinc(times) * window * (base / old)
    return kernel.astype(np.float32), width
