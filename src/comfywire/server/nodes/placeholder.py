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

__all__ = ["LABEL", "Drawing"]

LABEL = "placeholder by comfywire"
HILLS = 4


@dataclass(frozen=True, slots=True)
class Drawing:
    """What a simulated latent holds instead of numbers: how to draw it.

    Attributes:
        text: The positive text; it is written in the picture.
        seed: Another seed, another landscape.
        base: The picture that was encoded, if there is one.
        denoise: How much of the base is painted over, from 0 to 1.

    """

    text: str = ""
    seed: int = 0
    base: Pixels | None = None
    denoise: float = 1.0

    def of_batch(self, index: int) -> Drawing:
        """Return the drawing of one picture of a batch: each has its own seed."""
        base = None if self.base is None else self.base[index % len(self.base)][None]
        return replace(self, seed=self.seed + index, base=base)

    def picture(self, size: tuple[int, int], *, share: float = 1.0) -> Image.Image:
        """Draw it.

        Args:
            size: Width and height.
            share: How far sampling has come, from 0 (noise) to 1; text and label appear at the end.

        """
        random = np.random.default_rng(self._entropy())
        scene = _landscape(size, random)
        if self.base is not None:
            scene = _over(scene, self.base[0], self.denoise)
        if share < 1:
            noise = random.random(scene.shape, dtype=np.float32)
            scene = scene * share + noise * (1 - share)
        image = Image.fromarray((np.clip(scene, 0, 1) * 255).astype(np.uint8))
        if share >= 1:
            _write(image, self.text)
        return image

    def _entropy(self) -> int:
        return int.from_bytes(blake2b(f"{self.seed}\n{self.text}".encode(), digest_size=16).digest())


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


def _over(scene: Pixels, base: Pixels, denoise: float) -> Pixels:
    """Mix the landscape into the picture that sampling began with."""
    height, width = scene.shape[:2]
    levels = (np.clip(base[..., :3], 0, 1) * 255).astype(np.uint8)
    scaled = np.asarray(Image.fromarray(levels).resize((width, height)), dtype=np.float32) / 255
    return (scene * denoise + scaled * (1 - denoise)).astype(np.float32)


def _write(image: Image.Image, text: str) -> None:
    """Write the text above the bottom edge, and the label on it, as large as the picture allows."""
    draw = ImageDraw.Draw(image, "RGBA")
    small = max(7, image.width // 36)
    font, label = ImageFont.load_default(max(8, image.width // 24)), ImageFont.load_default(small)
    lines = _wrapped(" ".join(text.split()), draw, font, image.width * 0.88)
    bottom = image.height - small * 2
    draw.rectangle((0, bottom, image.width, image.height), fill=(0, 0, 0, 150))
    draw.text((image.width / 2, bottom + small), LABEL, font=label, anchor="mm", fill=(255, 255, 255, 255))
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
