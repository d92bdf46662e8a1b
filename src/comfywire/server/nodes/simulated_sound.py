"""Sound from models (nodes_audio.py, nodes_ace.py). SIMULATED: a tone, another one for another seed."""

from __future__ import annotations

from typing import Any

import numpy as np

from comfywire.server.nodes.bounds import bounded
from comfywire.server.nodes.declared import SIMULATED, DeclaredNode
from comfywire.server.nodes.latent_scaling import Latent
from comfywire.server.nodes.placeholder import Drawing
from comfywire.server.nodes.sounds import Sound

__all__ = ["EmptyAceStepLatentAudio", "EmptyLatentAudio", "VAEDecodeAudio", "VAEEncodeAudio"]

RATE = 44100
SAMPLES = 2048  # for each step of a latent
LOWEST = 220.0
QUIET = 0.2


class EmptyLatentAudio(DeclaredNode):
    """A latent of zeros for a sound."""

    def execute(self, seconds: float, batch_size: int) -> tuple[Latent]:
        """Make zeros."""
        length = round((seconds * RATE / SAMPLES) / 2) * 2
        return (_latent(bounded(batch_size, 64, length)),)


class EmptyAceStepLatentAudio(DeclaredNode):
    """A latent of zeros for a song."""

    def execute(self, seconds: float, batch_size: int) -> tuple[Latent]:
        """Make zeros."""
        return (_latent(bounded(batch_size, 8, 16, int(seconds * RATE / 512 / 8))),)


class VAEDecodeAudio(DeclaredNode):
    """A quiet tone, as long as the latent says."""

    FIDELITY = SIMULATED

    def execute(self, samples: Latent, **_: Any) -> tuple[Sound]:
        """Make it."""
        latent = samples["samples"]
        each = SAMPLES if latent.ndim == 3 else 512 * 8
        shape = bounded(len(latent), 2, latent.shape[-1] * each)
        drawing: Drawing = samples.get("drawing", Drawing())
        time = np.arange(shape[2], dtype=np.float32) / np.float32(RATE)
        pitches = [LOWEST * 2 ** (drawing.of_batch(index).seed % 24 / 12) for index in range(len(latent))]
        tones = [np.sin(2 * np.pi * pitch * time) * QUIET for pitch in pitches]
        wave = np.broadcast_to(np.stack(tones)[:, None], shape).astype(np.float32)
        return (Sound(waveform=wave, sample_rate=RATE),)


class VAEEncodeAudio(DeclaredNode):
    """A latent as long as a sound."""

    FIDELITY = SIMULATED

    def execute(self, audio: Sound, **_: Any) -> tuple[Latent]:
        """Make zeros."""
        wave = audio["waveform"]
        length = wave.shape[-1] * RATE // audio["sample_rate"] // SAMPLES
        return (_latent(bounded(len(wave), 64, max(1, length))),)


def _latent(shape: tuple[int, ...]) -> Latent:
    return {"samples": np.zeros(shape, dtype=np.float32), "type": "audio"}
