"""Encoding and decoding (nodes.py). SIMULATED: a latent remembers the picture, and what to draw over it."""

from __future__ import annotations

from math import ceil
from typing import Any

import numpy as np

from comfywire.server.nodes.bounds import bounded
from comfywire.server.nodes.conditioning import Conditioning
from comfywire.server.nodes.declared import SIMULATED, DeclaredNode
from comfywire.server.nodes.latent_scaling import Latent
from comfywire.server.nodes.masks import flat
from comfywire.server.nodes.placeholder import Drawing
from comfywire.server.nodes.resize import Pixels, common_upscale

__all__ = [
    "InpaintModelConditioning",
    "InstructPixToPixConditioning",
    "VAEDecode",
    "VAEDecodeTiled",
    "VAEEncode",
    "VAEEncodeForInpaint",
    "VAEEncodeTiled",
]

LATENT_PIXELS = 8
FRAMES = 4  # pictures for each latent frame of a video but the first
PAN = 4  # pixels that a video's landscape moves from one picture to the next
GREY = np.float32(0.5)


class VAEDecode(DeclaredNode):
    """The placeholder, drawn; for a video's latent, one that passes by."""

    FIDELITY = SIMULATED
    FUNCTION = "decode"

    def decode(self, vae: Any, samples: Latent, **_: int) -> tuple[Pixels]:
        """Draw each picture of the batch; the tiled node's sizes change nothing."""
        del vae
        shape = samples["samples"].shape
        size = (shape[-1] * LATENT_PIXELS, shape[-2] * LATENT_PIXELS)
        frames = (shape[2] - 1) * FRAMES + 1 if len(shape) == 5 else 1
        bounded(shape[0] * frames, size[1], size[0], 3)
        drawing: Drawing = samples.get("drawing", Drawing())
        # Pictures that were chosen from a batch keep their numbers, and so their seeds.
        numbers = samples.get("batch_index", range(shape[0]))
        drawn = [np.asarray(drawing.of_batch(number).picture(size)) for number in numbers]
        pictures = [np.roll(one, -PAN * frame, axis=1) for one in drawn for frame in range(frames)]
        return (np.stack(pictures).astype(np.float32) / np.float32(255),)


class VAEDecodeTiled(VAEDecode):
    """The placeholder, drawn at once."""


class VAEEncode(DeclaredNode):
    """A latent that remembers the picture: sampling with little ``denoise`` leaves much of it."""

    FIDELITY = SIMULATED

    def execute(self, vae: Any, pixels: Pixels, **_: int) -> tuple[Latent]:
        """Keep the picture."""
        del vae
        return (_encoded(pixels),)


class VAEEncodeTiled(VAEEncode):
    """The same, at once."""


class VAEEncodeForInpaint(DeclaredNode):
    """A latent that remembers a picture and where to paint."""

    FIDELITY = SIMULATED

    def execute(self, vae: Any, pixels: Pixels, mask: Pixels, grow_mask_by: int = 6) -> tuple[Latent]:
        """Keep the picture, grey where the mask is, and the mask a little larger."""
        del vae
        cut, cut_mask = _in_eights(pixels, _fitted(mask, pixels))
        return ({**_encoded(_greyed(cut, cut_mask)), "noise_mask": _grown(cut_mask, grow_mask_by)},)


class InstructPixToPixConditioning(DeclaredNode):
    """Conditioning and a latent for models that change a picture as they are told."""

    FIDELITY = SIMULATED

    def execute(
        self, positive: Conditioning, negative: Conditioning, pixels: Pixels, vae: Any
    ) -> tuple[Conditioning, Conditioning, Latent]:
        """Keep the picture: it shines through, as a ControlNet's does."""
        del vae
        cut, _ = _in_eights(pixels, pixels[..., 0])
        latent = {"samples": _encoded(cut)["samples"]}
        kept = [
            [(text, {**values, "control": cut}) for text, values in each] for each in (positive, negative)
        ]
        return kept[0], kept[1], latent


class InpaintModelConditioning(DeclaredNode):
    """Conditioning and a latent for models that were trained to paint into pictures."""

    FIDELITY = SIMULATED

    def execute(
        self,
        positive: Conditioning,
        negative: Conditioning,
        pixels: Pixels,
        vae: Any,
        *,
        mask: Pixels,
        noise_mask: bool = True,
    ) -> tuple[Conditioning, Conditioning, Latent]:
        """Keep the picture, and the mask if asked to."""
        del vae
        cut, cut_mask = _in_eights(pixels, _fitted(mask, pixels))
        latent = _encoded(cut)
        if noise_mask:
            latent["noise_mask"] = cut_mask[:, None]
        return positive, negative, latent


def _encoded(pixels: Pixels) -> Latent:
    batch, height, width = pixels.shape[:3]
    samples = np.zeros((batch, 4, height // LATENT_PIXELS, width // LATENT_PIXELS), dtype=np.float32)
    return {"samples": samples, "drawing": Drawing(base=pixels, denoise=0.0)}


def _fitted(mask: Pixels, pixels: Pixels) -> Pixels:
    return common_upscale(flat(mask)[..., None], (pixels.shape[2], pixels.shape[1]), "bilinear")[..., 0]


def _in_eights(pixels: Pixels, mask: Pixels) -> tuple[Pixels, Pixels]:
    """Cut both to a multiple of eight pixels, in the middle."""
    height, width = pixels.shape[1:3]
    top, left = height % LATENT_PIXELS // 2, width % LATENT_PIXELS // 2
    rows = slice(top, top + height // LATENT_PIXELS * LATENT_PIXELS)
    columns = slice(left, left + width // LATENT_PIXELS * LATENT_PIXELS)
    return pixels[:, rows, columns], mask[:, rows, columns]


def _greyed(pixels: Pixels, mask: Pixels) -> Pixels:
    return ((pixels[..., :3] - GREY) * (np.float32(1.0) - mask.round())[..., None] + GREY).astype(np.float32)


def _grown(mask: Pixels, by: int) -> Pixels:
    """Let the mask reach further, by a square of ``by`` pixels."""
    grown = mask.round()
    if by > 0:
        before = ceil((by - 1) / 2)
        for axis in (1, 2):
            widths = [(0, 0)] * 3
            widths[axis] = (before, by - 1)
            padded = np.pad(grown, widths)
            windows = np.lib.stride_tricks.sliding_window_view(padded, by, axis=axis)
            grown = windows.max(axis=-1)[(slice(None),) * axis + (slice(mask.shape[axis]),)]
    return grown[:, None]
