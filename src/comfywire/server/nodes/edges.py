"""Edges in a picture (comfy_extras/nodes_canny.py; kornia.filters.canny, 0.9)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from comfywire.server.nodes.declared import BUT_FOR_TIES, DeclaredNode
from comfywire.server.nodes.resize import Pixels

__all__ = ["Canny"]

Flags = NDArray[np.bool_]

GREY = np.array([0.299, 0.587, 0.114], dtype=np.float32)
BLUR_RADIUS = 2
EPSILON = np.float32(1e-6)
# The neighbour in each of eight directions, from the right clockwise: row, column.
DIRECTIONS = ((0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1))
TIES = (0, 2)  # of two equal pixels, the left or upper one is the edge


class Canny(DeclaredNode):
    """Edges as white lines; where two gradients are equal but for rounding, either may be the edge."""

    FIDELITY = BUT_FOR_TIES

    def execute(self, image: Pixels, low_threshold: float, high_threshold: float) -> tuple[Pixels]:
        """Find them."""
        grey = (
            (image[..., :3] * GREY).sum(axis=-1, dtype=np.float32) if image.shape[-1] > 1 else image[..., 0]
        )
        across, down = _gradients(_blurred(grey))
        length = _ridges(across, down)
        edges = _connected(length > np.float32(low_threshold), length > np.float32(high_threshold))
        return (np.repeat(edges[..., None], 3, axis=-1).astype(np.float32),)


def _blurred(grey: Pixels) -> Pixels:
    """Blur by a Gaussian of one pixel; beyond the edges the picture is mirrored."""
    line = np.exp(-(np.arange(-BLUR_RADIUS, BLUR_RADIUS + 1, dtype=np.float32) ** 2) / np.float32(2))
    weights = line / line.sum()
    for axis in (1, 2):
        widths = [(0, 0)] * 3
        widths[axis] = (BLUR_RADIUS, BLUR_RADIUS)
        padded = np.pad(grey, widths, mode="reflect")
        grey = np.lib.stride_tricks.sliding_window_view(padded, len(weights), axis=axis) @ weights
    return grey


def _gradients(grey: Pixels) -> tuple[Pixels, Pixels]:
    """Return Sobel's gradients, not divided by their weights."""
    padded = np.pad(grey, ((0, 0), (1, 1), (1, 1)), mode="edge")
    summed_down = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
    summed_across = padded[:, :, :-2] + 2 * padded[:, :, 1:-1] + padded[:, :, 2:]
    across = summed_down[:, :, 2:] - summed_down[:, :, :-2]
    down = summed_across[:, 2:] - summed_across[:, :-2]
    return across, down


def _ridges(across: Pixels, down: Pixels) -> Pixels:
    """Return the gradient's length where it is larger than on both sides, else nothing."""
    widths = ((0, 0), (1, 1), (1, 1))
    padded = np.sqrt(np.pad(across, widths) ** 2 + np.pad(down, widths) ** 2 + EPSILON)
    length = padded[:, 1:-1, 1:-1]
    eighth = np.round(np.arctan2(down, across) * np.float32(4 / np.pi)).astype(int)
    is_ridge = length > padded[:, :1, :1]
    for direction, (row, column) in enumerate(DIRECTIONS):
        beside = _shifted(padded, row, column)
        beats = length >= beside if direction in TIES else length > beside
        is_along = (eighth % 8 == direction) | ((eighth + 4) % 8 == direction)
        is_ridge &= beats | ~is_along
    ridges: Pixels = length * is_ridge
    return ridges


def _connected(weak: Flags, strong: Flags) -> Flags:
    """Keep what is strong, and what is weak and touches what is kept."""
    while True:
        padded = np.pad(strong, ((0, 0), (1, 1), (1, 1)))
        near = np.zeros_like(strong)
        for row, column in DIRECTIONS:
            near |= _shifted(padded, row, column)
        grown = strong | (weak & near)
        if np.array_equal(grown, strong):
            return strong
        strong = grown


def _shifted(padded: NDArray[Any], row: int, column: int) -> NDArray[Any]:
    """Return for each place the value of a neighbour."""
    height, width = padded.shape[1] - 2, padded.shape[2] - 2
    return padded[:, 1 + row : 1 + row + height, 1 + column : 1 + column + width]
