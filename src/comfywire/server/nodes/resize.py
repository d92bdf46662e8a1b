"""Scaling as torch.nn.functional.interpolate does it (align_corners=False), on float32 pictures.

A picture is an array [batch, height, width, channels] with values from 0 to 1, as a tensor is in ComfyUI.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from comfywire.server.nodes.bounds import bounded

__all__ = ["Pixels", "common_upscale", "cut_to_shape", "neighbours", "repeated"]

Pixels = NDArray[np.float32]


def common_upscale(image: Pixels, size: tuple[int, int], method: str, *, crop: str = "disabled") -> Pixels:
    """Scale to ``size`` (width, height), after cutting to its shape if ``crop`` is ``center``."""
    width, height = size
    bounded(len(image), height, width, image.shape[3])
    if crop == "center":
        image = cut_to_shape(image, width / height)
    if method == "lanczos":
        return _lanczos(image, size)
    if method == "area":
        return _area(image, size)
    if method == "nearest-exact":
        rows, columns = _nearest(image.shape[1], height), _nearest(image.shape[2], width)
        return image[:, rows][:, :, columns]
    taps = _bilinear_taps if method == "bilinear" else _bicubic_taps
    return _weighted(_weighted(image, 2, taps(image.shape[2], width)), 1, taps(image.shape[1], height))


def repeated(batch: Pixels, count: int) -> Pixels:
    """Return as many items of a batch, from the beginning again where there are too few."""
    return batch[np.arange(count) % len(batch)] if len(batch) < count else batch[:count]


def cut_to_shape(image: Pixels, aspect: float) -> Pixels:
    """Cut the middle out of a picture, of an aspect (width by height)."""
    old_height, old_width = image.shape[1:3]
    old_aspect = old_width / old_height
    x = y = 0
    if old_aspect > aspect:
        x = round((old_width - old_width * (aspect / old_aspect)) / 2)
    elif old_aspect < aspect:
        y = round((old_height - old_height * (old_aspect / aspect)) / 2)
    return image[:, y : old_height - y, x : old_width - x]


def _nearest(old: int, new: int) -> NDArray[np.intp]:
    scale = np.float32(old) / np.float32(new)
    positions = np.floor((np.arange(new, dtype=np.float32) + np.float32(0.5)) * scale)
    nearest: NDArray[np.intp] = np.minimum(positions.astype(np.intp), old - 1)
    return nearest


Taps = list[tuple[NDArray[np.intp], Pixels]]


def neighbours(old: int, new: int) -> tuple[NDArray[np.intp], NDArray[np.intp], Pixels]:
    """Return for each new place the old ones on both sides, and how near it is to the second."""
    position = np.maximum(_positions(old, new), np.float32(0))
    low = np.minimum(position.astype(np.intp), old - 1)
    return low, np.minimum(low + 1, old - 1), (position - low).astype(np.float32)


def _bilinear_taps(old: int, new: int) -> Taps:
    low, high, part = neighbours(old, new)
    return [(low, np.float32(1) - part), (high, part)]


def _bicubic_taps(old: int, new: int) -> Taps:
    position = _positions(old, new)
    low = np.floor(position).astype(np.intp)
    part = (position - low).astype(np.float32)
    weights = [_outer(part + 1), _inner(part), _inner(1 - part), _outer(2 - part)]
    return [(np.clip(low + step - 1, 0, old - 1), weight) for step, weight in enumerate(weights)]


def _positions(old: int, new: int) -> Pixels:
    scale = np.float32(old) / np.float32(new)
    return ((np.arange(new, dtype=np.float32) + np.float32(0.5)) * scale - np.float32(0.5)).astype(np.float32)


SHARPNESS = np.float32(-0.75)  # torch's constant for bicubic


def _inner(x: Pixels) -> Pixels:
    return ((SHARPNESS + 2) * x - (SHARPNESS + 3)) * x * x + 1


def _outer(x: Pixels) -> Pixels:
    return ((SHARPNESS * x - 5 * SHARPNESS) * x + 8 * SHARPNESS) * x - 4 * SHARPNESS


def _weighted(image: Pixels, axis: int, taps: Taps) -> Pixels:
    shape = [1, 1, 1, 1]
    shape[axis] = -1
    result = np.zeros((), dtype=np.float32)
    for indices, weights in taps:
        result = result + np.take(image, indices, axis=axis) * weights.reshape(shape)
    return result.astype(np.float32)


def _area(image: Pixels, size: tuple[int, int]) -> Pixels:
    """Average over the pixels that each new one covers, summed in the order of adaptive_avg_pool2d."""
    width, height = size
    rows, row_counts = _windows(image.shape[1], height)
    columns, column_counts = _windows(image.shape[2], width)
    total = np.zeros((image.shape[0], height, width, image.shape[3]), dtype=np.float32)
    for row in range(row_counts.max()):
        lines = image[:, np.minimum(rows + row, image.shape[1] - 1)]
        in_rows = (row < row_counts)[:, None]
        for column in range(column_counts.max()):
            covered = in_rows & (column < column_counts)
            picked = lines[:, :, np.minimum(columns + column, image.shape[2] - 1)]
            total += np.where(covered[:, :, None], picked, np.float32(0))
    # Divided twice, as it is there: one division by the product rounds differently.
    mean = total / row_counts.astype(np.float32)[:, None, None] / column_counts.astype(np.float32)[:, None]
    return mean.astype(np.float32)


def _windows(old: int, new: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    starts = (np.arange(new) * old) // new
    ends = -((-(np.arange(new) + 1) * old) // new)
    return starts, ends - starts


def _lanczos(image: Pixels, size: tuple[int, int]) -> Pixels:
    """Scale 8-bit copies with Pillow, as comfy/utils.py, lanczos, does."""
    copies = np.clip(np.float32(255.0) * image, 0, 255).astype(np.uint8)
    scaled = [
        np.asarray(PillowImage.fromarray(copy).resize(size, PillowImage.Resampling.LANCZOS))
        for copy in copies
    ]
    return np.stack(scaled).astype(np.float32) / np.float32(255.0)
