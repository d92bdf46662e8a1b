"""Schedules: how much noise is left before each step (comfy_extras/nodes_custom_sampler.py).

Those that need no model are ComfyUI's; those that ask a model are SIMULATED by a straight line from 1 to 0.
"""

from __future__ import annotations

import math
import re

import numpy as np
from numpy.typing import NDArray

from comfywire.server.nodes.declared import ONE_LEVEL, SIMULATED, DeclaredNode

__all__ = [
    "BasicScheduler",
    "BetaSamplingScheduler",
    "ExponentialScheduler",
    "ExtendIntermediateSigmas",
    "FlipSigmas",
    "Flux2Scheduler",
    "KarrasScheduler",
    "LaplaceScheduler",
    "ManualSigmas",
    "PolyexponentialScheduler",
    "SDTurboScheduler",
    "SetFirstSigma",
    "Sigmas",
    "SplitSigmas",
    "SplitSigmasDenoise",
    "VPScheduler",
]

Sigmas = NDArray[np.float32]
BARELY = np.float32(0.0001)
EPSILON = 1e-5
NUMBER = re.compile(r"[-+]?(?:\d*\.*\d+)")


class BasicScheduler(DeclaredNode):
    """A model's schedule; with little ``denoise``, the end of a longer one."""

    FIDELITY = SIMULATED

    def execute(self, steps: int, denoise: float = 1.0, **_: object) -> tuple[Sigmas]:
        """Count down."""
        if denoise <= 0:
            return (np.zeros(0, dtype=np.float32),)
        total = int(steps / denoise) if denoise < 1 else steps
        return (np.linspace(1, 0, total + 1, dtype=np.float32)[-(steps + 1) :],)


class BetaSamplingScheduler(BasicScheduler):
    """A model's schedule by a beta distribution."""


class SDTurboScheduler(BasicScheduler):
    """A schedule of at most ten steps for turbo models."""


class KarrasScheduler(DeclaredNode):
    """The schedule of Karras et al. (2022)."""

    FIDELITY = ONE_LEVEL

    def execute(self, steps: int, sigma_max: float, sigma_min: float, rho: float) -> tuple[Sigmas]:
        """Compute it."""
        low, high = sigma_min ** (1 / rho), sigma_max ** (1 / rho)
        ramp = np.linspace(0, 1, steps, dtype=np.float32)
        return (_to_zero((np.float32(high) + ramp * np.float32(low - high)) ** np.float32(rho)),)


class ExponentialScheduler(DeclaredNode):
    """A schedule that falls by the same share at each step."""

    FIDELITY = ONE_LEVEL

    def execute(self, steps: int, sigma_max: float, sigma_min: float) -> tuple[Sigmas]:
        """Compute it."""
        line = np.linspace(math.log(sigma_max), math.log(sigma_min), steps, dtype=np.float32)
        return (_to_zero(np.exp(line)),)


class PolyexponentialScheduler(DeclaredNode):
    """The same, bent by an exponent."""

    FIDELITY = ONE_LEVEL

    def execute(self, steps: int, sigma_max: float, sigma_min: float, rho: float) -> tuple[Sigmas]:
        """Compute it."""
        ramp = np.linspace(1, 0, steps, dtype=np.float32) ** np.float32(rho)
        low, high = math.log(sigma_min), math.log(sigma_max)
        return (_to_zero(np.exp(ramp * np.float32(high - low) + np.float32(low))),)


class VPScheduler(DeclaredNode):
    """The schedule of variance-preserving diffusion."""

    FIDELITY = ONE_LEVEL

    def execute(self, steps: int, beta_d: float, beta_min: float, eps_s: float) -> tuple[Sigmas]:
        """Compute it."""
        time = np.linspace(1, eps_s, steps, dtype=np.float32)
        return (_to_zero(np.sqrt(np.expm1(np.float32(beta_d) * time**2 / 2 + np.float32(beta_min) * time))),)


class LaplaceScheduler(DeclaredNode):
    """The schedule of a Laplace distribution; it does not end at zero."""

    FIDELITY = ONE_LEVEL

    def execute(
        self, steps: int, sigma_max: float, sigma_min: float, mu: float, beta: float
    ) -> tuple[Sigmas]:
        """Compute it."""
        place = np.float32(0.5) - np.linspace(0, 1, steps, dtype=np.float32)
        spread = np.sign(place) * np.log(1 - 2 * np.abs(place) + np.float32(EPSILON))
        sigmas = np.exp(np.float32(mu) - np.float32(beta) * spread)
        return (np.clip(sigmas, sigma_min, sigma_max).astype(np.float32),)


class ManualSigmas(DeclaredNode):
    """A schedule written out."""

    def execute(self, sigmas: str) -> tuple[Sigmas]:
        """Read every number in the text."""
        return (np.array([float(found) for found in NUMBER.findall(sigmas)], dtype=np.float32),)


class Flux2Scheduler(DeclaredNode):
    """The schedule of Flux 2 for a size."""

    FIDELITY = ONE_LEVEL

    def execute(self, steps: int, width: int, height: int) -> tuple[Sigmas]:
        """Compute it: the larger the picture, the longer much noise stays."""
        patches = round(width * height / (16 * 16))
        shift = 0.00016927 * patches + 0.45666666
        if patches <= 4300:
            slope = (shift - (8.73809524e-05 * patches + 1.89833333)) / 190.0
            shift += slope * (steps - 200)
        time = np.linspace(1, 0, steps + 1, dtype=np.float32)
        with np.errstate(divide="ignore"):
            scale = np.float32(math.exp(shift))
            return ((scale / (scale + (1 / time - 1))).astype(np.float32),)


class SplitSigmas(DeclaredNode):
    """A schedule before and after a step."""

    def execute(self, sigmas: Sigmas, step: int) -> tuple[Sigmas, Sigmas]:
        """Cut it; both have the place of the cut."""
        return sigmas[: step + 1], sigmas[step:]


class SplitSigmasDenoise(DeclaredNode):
    """A schedule before and after the share that ``denoise`` says."""

    def execute(self, sigmas: Sigmas, denoise: float) -> tuple[Sigmas, Sigmas]:
        """Cut it; no denoise leaves nothing before, as in ComfyUI."""
        steps = round(max(len(sigmas) - 1, 0) * denoise)
        return sigmas[:-steps] if steps else sigmas[:0], sigmas[-(steps + 1) :]


class FlipSigmas(DeclaredNode):
    """A schedule backwards, from nearly nothing."""

    def execute(self, sigmas: Sigmas) -> tuple[Sigmas]:
        """Turn it round."""
        flipped = sigmas[::-1].copy()
        if len(flipped) and flipped[0] == 0:
            flipped[0] = BARELY
        return (flipped,)


class SetFirstSigma(DeclaredNode):
    """A schedule with another beginning."""

    def execute(self, sigmas: Sigmas, sigma: float) -> tuple[Sigmas]:
        """Set it."""
        return (np.concatenate(([np.float32(sigma)], sigmas[1:])).astype(np.float32),)


class ExtendIntermediateSigmas(DeclaredNode):
    """A schedule with more steps in a part of it."""

    FIDELITY = ONE_LEVEL

    def execute(
        self, sigmas: Sigmas, steps: int, start_at_sigma: float, end_at_sigma: float, spacing: str
    ) -> tuple[Sigmas]:
        """Put new ones between its own."""
        start = math.inf if start_at_sigma < 0 else start_at_sigma
        shares = np.linspace(0, 1, steps + 1, dtype=np.float32)[1:-1]
        if spacing == "cosine":
            shares = np.sin(shares * np.float32(math.pi) / 2)
        elif spacing == "sine":
            shares = 1 - np.cos(shares * np.float32(math.pi) / 2)
        extended: list[float] = []
        for place, sigma in enumerate(sigmas):
            extended.append(sigma)
            if place + 1 < len(sigmas) and end_at_sigma <= sigma <= start:
                extended.extend(shares * (sigmas[place + 1] - sigma) + sigma)
        return (np.array(extended, dtype=np.float32),)


def _to_zero(sigmas: Sigmas) -> Sigmas:
    return np.append(sigmas, np.float32(0)).astype(np.float32)
