"""Samplers (nodes.py, nodes_custom_sampler.py). SIMULATED: real steps, progress and previews, no model."""

# ComfyUI passes inputs by name, however many.
# ruff: noqa: PLR0917

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from comfywire.server.messages.frames import ProgressPicture
from comfywire.server.nodes.conditioning import Conditioning
from comfywire.server.nodes.declared import SIMULATED, DeclaredNode
from comfywire.server.nodes.latent_scaling import Latent
from comfywire.server.nodes.placeholder import Drawing
from comfywire.server.nodes.sigmas import Sigmas
from comfywire.server.nodes.simulated import Simulated, passing

__all__ = [
    "GUIDERS",
    "DisableNoise",
    "Guider",
    "KSampler",
    "KSamplerAdvanced",
    "RandomNoise",
    "SamplerCustom",
    "SamplerCustomAdvanced",
]

PREVIEW_SIZE = 512  # --preview-size


@dataclass(frozen=True, slots=True)
class Guider:
    """What leads a sampler: a model and the prompt that counts."""

    model: Any
    positive: Conditioning


class SamplingNode(DeclaredNode):
    """A node that takes steps, each as long as ``step_time`` says."""

    FIDELITY = SIMULATED

    def _sampled(self, latent: Latent, guider: Guider, *, seed: int, steps: int, denoise: float) -> Latent:
        """Take the steps, and remember what to draw."""
        drawing = _drawing(latent, guider, seed, denoise)
        rows, columns = latent["samples"].shape[-2:]
        for step in range(1, steps + 1):
            self.host.sleep(self.host.step_time)
            preview = None
            if self.host.previews and self.host.is_heard:
                picture = drawing.of_batch(0).picture((columns, rows), share=step / (steps + 1))
                preview = ProgressPicture("JPEG", picture, PREVIEW_SIZE)
            self.host.progress(step, steps, preview)
        return {**latent, "drawing": drawing}


class KSampler(SamplingNode):
    """The usual sampler."""

    FUNCTION = "sample"

    def sample(
        self,
        model: Any,
        seed: int,
        steps: int,
        positive: Conditioning,
        latent_image: Latent,
        denoise: float = 1.0,
        **_: Any,
    ) -> tuple[Latent]:
        """Sample."""
        guider = Guider(model, positive)
        return (self._sampled(latent_image, guider, seed=seed, steps=steps, denoise=denoise),)


class KSamplerAdvanced(SamplingNode):
    """Some of a sampler's steps, so that another one takes the rest."""

    def execute(
        self,
        model: Any,
        noise_seed: int,
        steps: int,
        positive: Conditioning,
        latent_image: Latent,
        start_at_step: int,
        end_at_step: int,
        **_: Any,
    ) -> tuple[Latent]:
        """Sample from one step to the other."""
        taken = max(0, min(steps, end_at_step) - start_at_step)
        share = max(0, steps - start_at_step) / steps
        guider = Guider(model, positive)
        return (self._sampled(latent_image, guider, seed=noise_seed, steps=taken, denoise=share),)


class SamplerCustom(SamplingNode):
    """A sampler whose steps are given as sigmas."""

    def execute(
        self,
        model: Any,
        noise_seed: int,
        positive: Conditioning,
        sigmas: Sigmas,
        latent_image: Latent,
        **_: Any,
    ) -> tuple[Latent, Latent]:
        """Sample; both outputs are alike."""
        made = self._over_sigmas(latent_image, Guider(model, positive), noise_seed, sigmas)
        return made, made

    def _over_sigmas(self, latent: Latent, guider: Guider, seed: int, sigmas: Sigmas) -> Latent:
        steps = max(0, len(sigmas) - 1)
        denoise = min(1.0, float(sigmas[0])) if steps else 0.0
        return self._sampled(latent, guider, seed=seed, steps=steps, denoise=denoise)


class SamplerCustomAdvanced(SamplerCustom):
    """A sampler whose every part is a node."""

    def execute(  # type: ignore[override]
        self, noise: int, guider: Any, sampler: Any, sigmas: Sigmas, latent_image: Latent
    ) -> tuple[Latent, Latent]:
        """Sample; both outputs are alike."""
        del sampler
        made = self._over_sigmas(latent_image, guider, noise, sigmas)
        return made, made


class RandomNoise(DeclaredNode):
    """Noise from a seed."""

    FIDELITY = SIMULATED

    def execute(self, noise_seed: int) -> tuple[int]:
        """Keep the seed."""
        return (noise_seed,)


class DisableNoise(DeclaredNode):
    """No noise."""

    FIDELITY = SIMULATED

    def execute(self) -> tuple[int]:
        """Return a seed like any other."""
        return (0,)


class GuiderNode(DeclaredNode):
    """A model with the prompt that leads it."""

    FIDELITY = SIMULATED

    def execute(self, model: Any, **inputs: Any) -> tuple[Guider]:
        """Keep both; of several prompts, the first that is wanted."""
        names = ("conditioning", "positive", "cond1")
        return (Guider(model, next(inputs[name] for name in names if name in inputs)),)


GUIDERS = {
    **{
        name: type(name, (GuiderNode,), {"__doc__": GuiderNode.__doc__})
        for name in ("BasicGuider", "CFGGuider", "DualCFGGuider", "PerpNegGuider")
    },
    **passing(
        "KSamplerSelect SamplerEulerAncestral SamplerEulerAncestralCFGPP SamplerLMS SamplerDPMPP_3M_SDE "
        "SamplerDPMPP_2M_SDE SamplerDPMPP_SDE SamplerDPMPP_2S_Ancestral SamplerDPMAdaptative SamplerER_SDE "
        "SamplerSASolver SamplerLCMUpscale SamplerEulerCFGpp",
        "A way to sample; all look alike.",
    ),
}


def _drawing(latent: Latent, guider: Guider, seed: int, denoise: float) -> Drawing:
    """Say what to draw, and over what."""
    before: Drawing = latent.get("drawing", Drawing())
    text = ", ".join(text for text, _ in guider.positive)
    controls = (values.get("control") for _, values in guider.positive)
    drawing = Drawing(
        text=text,
        seed=seed,
        base=before.base,
        denoise=denoise,
        mask=latent.get("noise_mask"),
        control=next((each for each in controls if each is not None), None),
        changes=guider.model.changes if isinstance(guider.model, Simulated) else "",
    )
    # What has text or a seed was sampled before, and is more than the picture it began with.
    is_second = bool(before.text or before.seed)
    return replace(drawing, under=before) if is_second else drawing
