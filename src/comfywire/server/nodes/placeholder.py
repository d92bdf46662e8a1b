"""The placeholder where a diffusion model's picture would be: a small landscape from text and seed."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from comfywire.server.nodes.resize import Pixels

__all__ = ["LABEL", "Drawing", "write_label"]

LABEL = "placeholder by comfywire"
HILLS = 4
CONTROL_SHARE = 0.3


@dataclass(frozen=True, slots=True)
class Drawing:
    """What a simulated latent holds instead of numbers: how to draw it.

    Attributes:
        text: The positive text; it is written in the picture.
        seed: Another seed, another landscape.
        base: The picture that was encoded, if there is one.
        denoise: How much of the base is painted over, from 0 to 1.
        under: What was sampled before, and is sampled once more; it counts as the base.
        mask: Where the base is painted over, if not everywhere.
        control: A ControlNet's picture; it shines through.
        changes: LoRAs and the like, in words: others, another landscape.

    """

    text: str = ""
    seed: int = 0
    base: Pixels | None = None
    denoise: float = 1.0
    under: Drawing | None = None
    mask: Pixels | None = None
    control: Pixels | None = None
    changes: str = ""

    def of_batch(self, index: int) -> Drawing:
        """Return the drawing of one picture of a batch: each has its own seed."""
        return replace(
            self,
            seed=self.seed + index,
            base=_one_of(self.base, index),
            under=None if self.under is None else self.under.of_batch(index),
            mask=_one_of(self.mask, index),
            control=_one_of(self.control, index),
        )

    def picture(self, size: tuple[int, int], *, share: float = 1.0) -> Image.Image:
        """Draw it.

        Args:
            size: Width and height.
            share: How far sampling has come, from 0 (noise) to 1; text and label appear at the end.

        """
        random = np.random.default_rng(self._entropy())
        scene = _landscape(size, random)
        if self.control is not None:
            scene = _over(scene, self.control[0], 1 - CONTROL_SHARE)
        below = self._below(size)
        if below is not None:
            scene = _over(scene, below, self._painted(size))
        if share < 1:
            noise = random.random(scene.shape, dtype=np.float32)
            scene = scene * share + noise * (1 - share)
        image = Image.fromarray((np.clip(scene, 0, 1) * 255).astype(np.uint8))
        if share >= 1:
            _write(image, self.text)
        return image

    def _below(self, size: tuple[int, int]) -> Pixels | None:
        """Return the picture that sampling began with."""
        if self.under is not None and (self.denoise < 1 or self.mask is not None):
            return np.asarray(self.under.picture(size), dtype=np.float32) / np.float32(255)
        return None if self.base is None else self.base[0]

    def _painted(self, size: tuple[int, int]) -> Pixels:
        """Return how much of each pixel is new."""
        if self.mask is None:
            return np.full((1, 1, 1), self.denoise, dtype=np.float32)
        return _scaled(self.mask.reshape(self.mask.shape[-2:]), size)[..., None] * np.float32(self.denoise)

    def _entropy(self) -> int:
        parts = [str(self.seed), self.text, *([self.changes] if self.changes else [])]
        return int.from_bytes(blake2b("\n".join(parts).encode(), digest_size=16).digest())


def _colour(hue: float, saturation: float, value: float) -> Pixels:
    return np.array(colorsys.hsv_to_rgb(hue % 1, saturation, value), dtype=np.float32)


def _landscape(size: tuple[int, int], random: np.random.Generator) -> Pixels:
    """Paint a sky, a sun and hills that grow darker towards the viewer."""
    width, height = size
    y = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    x = np.linspace(0, 1, width, dtype=np.float32)[None, :, None]
    hue = random.random()
    scene = _colour(hue, 0.55, 0.55) * (1 - y) + _colour(hue + 0.12, 0.35, 0.98) * y
    scene = np.broadcast_to(scene, (height, width, 3)).astype(np.float32)

    centre = random.uniform(0.2, 0.8), random.uniform(0.18, 0.42)
    distance = np.sqrt(((x - centre[0]) * width / height) ** 2 + (y - centre[1]) ** 2)
    glow = np.exp(-(distance**2) / 0.05) * 0.5 + (distance < random.uniform(0.07, 0.12)) * 0.9
    scene = scene + (_colour(hue + 0.1, 0.2, 1.0) - scene) * np.clip(glow, 0, 1)

    for hill in range(HILLS):
        waves = random.uniform(1.5, 5, 3), random.uniform(0, 6.3, 3), random.uniform(0.01, 0.05, 3)
        ridge = (
            0.5
            + hill * 0.13
            + sum(
                size * np.sin(x * frequency * 2 * np.pi + phase)
                for frequency, phase, size in zip(*waves, strict=True)
            )
        )
        nearness = (hill + 1) / HILLS
        tint = _colour(hue + 0.45 + hill * 0.04, 0.35 + 0.3 * nearness, 0.72 - 0.5 * nearness)
        scene = np.where(y > ridge, tint, scene)
    return scene.astype(np.float32)


def _over(scene: Pixels, base: Pixels, share: Pixels | float) -> Pixels:
    """Mix the landscape into another picture."""
    height, width = scene.shape[:2]
    mixed: Pixels = scene * share + _scaled(base[..., :3], (width, height)) * (1 - share)
    return mixed.astype(np.float32)


def _scaled(picture: Pixels, size: tuple[int, int]) -> Pixels:
    levels = (np.clip(picture, 0, 1) * 255).astype(np.uint8)
    return np.asarray(Image.fromarray(levels).resize(size), dtype=np.float32) / np.float32(255)


def _one_of(batch: Pixels | None, index: int) -> Pixels | None:
    return None if batch is None else batch[index % len(batch)][None]


def write_label(image: Image.Image) -> int:
    """Say at the bottom edge that no model made this; return where the label begins."""
    draw = ImageDraw.Draw(image, "RGBA")
    small = max(7, image.width // 36)
    bottom = image.height - small * 2
    draw.rectangle((0, bottom, image.width, image.height), fill=(0, 0, 0, 150))
    where = (image.width / 2, bottom + small)
    label = ImageFont.load_default(small)
    draw.text(where, LABEL, font=label, anchor="mm", fill=(255, 255, 255, 255))
    return bottom


def _write(image: Image.Image, text: str) -> None:
    """Write the label, and the text above it, as large as the picture allows."""
    bottom = write_label(image)
    draw = ImageDraw.Draw(image, "RGBA")
    font = ImageFont.load_default(max(8, image.width // 24))
    lines = _wrapped(" ".join(text.split()), draw, font, image.width * 0.88)
    step = font.getbbox("Ag")[3] * 1.25
    for number, line in enumerate(reversed(lines)):
        where = (image.width / 2, bottom - step * (number + 0.8))
        draw.text(
            where,
            line,
            font=font,
            anchor="mm",
            fill=(255, 255, 255, 255),
            stroke_width=1,
            stroke_fill=(0, 0, 0, 140),
        )


def _wrapped(
    text: str, draw: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: float
) -> list[str]:
    """Break the text into at most three lines that fit."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and draw.textlength(longer, font=font) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return [*lines[:2], lines[2] + " …"] if len(lines) > 3 else lines
