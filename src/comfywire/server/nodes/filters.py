"""Changing every pixel by its neighbours (comfy_extras/nodes_post_processing.py, nodes_morphology.py)."""

from __future__ import annotations

from math import ceil, log2

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from comfywire.server.nodes.declared import ONE_LEVEL, DeclaredNode
from comfywire.server.nodes.resize import Pixels

__all__ = ["ImageBlur", "ImageQuantize", "ImageRGBToYUV", "ImageSharpen", "ImageYUVToRGB", "Morphology"]


class ImageBlur(DeclaredNode):
    """A picture blurred by a Gaussian."""

    FIDELITY = ONE_LEVEL

    def execute(self, image: Pixels, blur_radius: int, sigma: float) -> tuple[Pixels]:
        """Blur."""
        return (_blurred(image, blur_radius, sigma),)


class ImageSharpen(DeclaredNode):
    """A picture sharpened: more of itself, less of its blur."""

    FIDELITY = ONE_LEVEL

    def execute(self, image: Pixels, sharpen_radius: int, sigma: float, alpha: float) -> tuple[Pixels]:
        """Sharpen."""
        strength = np.float32(alpha * 10)
        blurred = _blurred(image, sharpen_radius, sigma)
        return (np.clip(image + strength * (image - blurred), 0, 1),)


class ImageQuantize(DeclaredNode):
    """A picture in few colours, dithered if wanted."""

    def execute(self, image: Pixels, colors: int, dither: str) -> tuple[Pixels]:
        """Reduce the colours with Pillow, as ComfyUI does."""
        made = [_quantized((picture * np.float32(255)).astype(np.uint8), colors, dither) for picture in image]
        return (np.stack(made).astype(np.float32) / np.float32(255),)


class Morphology(DeclaredNode):
    """Dilation, erosion and what is made of them, by a square."""

    def execute(self, image: Pixels, operation: str, kernel_size: int) -> tuple[Pixels]:
        """Change the picture."""
        match operation:
            case "erode":
                return (_eroded(image, kernel_size),)
            case "dilate":
                return (_dilated(image, kernel_size),)
            case "open":
                return (_dilated(_eroded(image, kernel_size), kernel_size),)
            case "close":
                return (_eroded(_dilated(image, kernel_size), kernel_size),)
            case "gradient":
                return (_dilated(image, kernel_size) - _eroded(image, kernel_size),)
            case "top_hat":
                return (image - _dilated(_eroded(image, kernel_size), kernel_size),)
            case "bottom_hat":
                return (_eroded(_dilated(image, kernel_size), kernel_size) - image,)
        raise ValueError(f"Invalid operation {operation} for morphology.")


class ImageRGBToYUV(DeclaredNode):
    """Brightness and both colour differences, each as a grey picture."""

    FIDELITY = ONE_LEVEL

    def execute(self, image: Pixels) -> tuple[Pixels, Pixels, Pixels]:
        """Convert (kornia.color.rgb_to_ycbcr)."""
        red, green, blue = (image[..., index : index + 1] for index in range(3))
        y = np.float32(0.299) * red + np.float32(0.587) * green + np.float32(0.114) * blue
        cb = (blue - y) * np.float32(0.564) + np.float32(0.5)
        cr = (red - y) * np.float32(0.713) + np.float32(0.5)
        shown = [np.broadcast_to(part, image.shape) for part in (y, cb, cr)]
        return shown[0], shown[1], shown[2]


class ImageYUVToRGB(DeclaredNode):
    """A picture from brightness and colour differences."""

    FIDELITY = ONE_LEVEL

    def execute(self, Y: Pixels, U: Pixels, V: Pixels) -> tuple[Pixels]:  # noqa: N803 - ComfyUI's names
        """Convert (kornia.color.ycbcr_to_rgb, 0.9)."""
        y, cb, cr = (part.mean(axis=-1, dtype=np.float32) for part in (Y, U, V))
        cb, cr = cb - np.float32(0.5), cr - np.float32(0.5)
        red = y + np.float32(1.4025245442) * cr
        green = y - np.float32(0.7144034731) * cr - np.float32(0.3443401356) * cb
        blue = y + np.float32(1.7730496454) * cb
        return (np.clip(np.stack((red, green, blue), axis=-1), 0, 1),)


def _blurred(image: Pixels, radius: int, sigma: float) -> Pixels:
    """Blur rows, then columns; beyond the edges the picture is mirrored.

    Raises:
        RuntimeError: The picture is no larger than the radius.

    """
    height, width = image.shape[1:3]
    if radius >= min(height, width):
        raise RuntimeError(
            "Padding size should be less than the corresponding input dimension, but got: "
            f"padding ({radius}, {radius}) for a picture of {width}x{height}"
        )
    # The edge of the kernel is at 1, whatever the radius: sigma is a share of it.
    line = np.exp(-(np.linspace(-1, 1, radius * 2 + 1) ** 2) / (2.0 * sigma * sigma))
    weights = (line / line.sum()).astype(np.float32)
    for axis in (1, 2):
        widths = [(0, 0)] * 4
        widths[axis] = (radius, radius)
        padded = np.pad(image, widths, mode="reflect")
        taps = np.lib.stride_tricks.sliding_window_view(padded, len(weights), axis=axis)
        image = taps @ weights
    return image


def _quantized(levels: NDArray[np.uint8], colors: int, dither: str) -> NDArray[np.uint8]:
    picture = Image.fromarray(levels)
    palette = picture.quantize(colors=colors)
    if dither == "floyd-steinberg":
        reduced = picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
    else:
        if dither.startswith("bayer"):
            picture = _bayer(levels, palette, int(dither.partition("-")[2]))
        reduced = picture.quantize(palette=palette, dither=Image.Dither.NONE)
    return np.asarray(reduced.convert("RGB"))


def _bayer(levels: NDArray[np.uint8], palette: Image.Image, order: int) -> Image.Image:
    """Add an ordered pattern, so that neighbours fall on different sides of a colour's limit."""
    spread = 2 * 256 / (len(palette.getpalette() or []) // 3)
    pattern = spread * _bayer_matrix(int(log2(order))) + 0.5
    height, width = levels.shape[:2]
    tiled = np.tile(pattern, (ceil(height / len(pattern)), ceil(width / len(pattern))))
    changed = levels.astype(np.float32) + tiled[:height, :width, None]
    return Image.fromarray(np.clip(changed, 0, 255).astype(np.uint8))


def _bayer_matrix(order: int) -> NDArray[np.float64]:
    if order == 0:
        return np.zeros((1, 1))
    cells = 4**order
    inner = cells * _bayer_matrix(order - 1)
    matrix: NDArray[np.float64] = np.block([[inner - 1.5, inner + 0.5], [inner + 1.5, inner - 0.5]]) / cells
    return matrix


def _dilated(image: Pixels, size: int) -> Pixels:
    return _extreme(image, size, (size - 1) // 2, of=np.maximum, beyond=-np.inf)


def _eroded(image: Pixels, size: int) -> Pixels:
    return _extreme(image, size, size // 2, of=np.minimum, beyond=np.inf)


def _extreme(image: Pixels, size: int, before: int, *, of: np.ufunc, beyond: float) -> Pixels:
    """Take the largest or smallest value of a square, ``before`` pixels of which lie before its place."""
    for axis in (1, 2):
        widths = [(0, 0)] * 4
        widths[axis] = (before, size - before - 1)
        padded = np.pad(image, widths, constant_values=beyond)
        windows = np.lib.stride_tricks.sliding_window_view(padded, size, axis=axis)
        image = of.reduce(windows, axis=-1)
    return image
