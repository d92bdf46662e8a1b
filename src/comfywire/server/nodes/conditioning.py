"""Prompts as conditioning (nodes.py, comfy_extras). SIMULATED: it is the text, and a ControlNet's picture."""

from __future__ import annotations

from typing import Any

from comfywire.server.nodes.declared import SIMULATED, DeclaredNode
from comfywire.server.nodes.resize import Pixels
from comfywire.server.nodes.simulated import passing

__all__ = [
    "CONDITIONINGS",
    "CONTROLS",
    "ENCODERS",
    "Conditioning",
    "ConditioningAverage",
    "ConditioningCombine",
    "ConditioningConcat",
    "ConditioningZeroOut",
]

Conditioning = list[tuple[str, dict[str, Any]]]
TEXTS = (
    "text",
    "prompt",
    "t5xxl",
    "text_g",
    "llama",
    "mt5xl",
    "clip_g",
    "text_l",
    "clip_l",
    "bert",
    "tags",
    "lyrics",
)


class TextEncoder(DeclaredNode):
    """A prompt as conditioning."""

    FIDELITY = SIMULATED

    def execute(self, **inputs: Any) -> tuple[Conditioning]:
        """Keep the text; of several, the first that says something."""
        text = next((inputs[name] for name in TEXTS if inputs.get(name)), "")
        return ([(text, {})],)


ENCODERS = {
    name: type(name, (TextEncoder,), {"__doc__": TextEncoder.__doc__})
    for name in (
        "CLIPTextEncode",
        "CLIPTextEncodeSDXL",
        "CLIPTextEncodeSDXLRefiner",
        "CLIPTextEncodeSD3",
        "CLIPTextEncodeFlux",
        "CLIPTextEncodeHunyuanDiT",
        "CLIPTextEncodeHiDream",
        "CLIPTextEncodeLumina2",
        "TextEncodeQwenImageEdit",
        "TextEncodeQwenImageEditPlus",
        "TextEncodeAceStepAudio",
        "LotusConditioning",
    )
}
CONDITIONINGS = passing(
    "ConditioningSetArea ConditioningSetAreaPercentage ConditioningSetAreaStrength ConditioningSetMask "
    "ConditioningSetTimestepRange FluxGuidance FluxDisableGuidance ReferenceLatent unCLIPConditioning "
    "StyleModelApply GLIGENTextBoxApply CLIPVisionEncode FluxKontextMultiReferenceLatentMethod "
    "LTXVConditioning",
    "The conditioning that it was given: where and how strongly it counts, no placeholder shows.",
)


class ConditioningCombine(DeclaredNode):
    """Two prompts that both count."""

    FIDELITY = SIMULATED

    def execute(self, conditioning_1: Conditioning, conditioning_2: Conditioning) -> tuple[Conditioning]:
        """Keep both."""
        return (conditioning_1 + conditioning_2,)


class ConditioningConcat(DeclaredNode):
    """Two prompts as one."""

    FIDELITY = SIMULATED

    def execute(self, conditioning_to: Conditioning, conditioning_from: Conditioning) -> tuple[Conditioning]:
        """Append the second's text to each of the first's."""
        added = conditioning_from[0][0]
        return ([(f"{text} {added}", values) for text, values in conditioning_to],)


class ConditioningAverage(DeclaredNode):
    """Two prompts mixed."""

    FIDELITY = SIMULATED

    def execute(
        self,
        conditioning_to: Conditioning,
        conditioning_from: Conditioning,
        conditioning_to_strength: float,
    ) -> tuple[Conditioning]:
        """Keep the stronger one."""
        return (conditioning_to if conditioning_to_strength >= 0.5 else conditioning_from,)


class ConditioningZeroOut(DeclaredNode):
    """A prompt that says nothing."""

    FIDELITY = SIMULATED

    def execute(self, conditioning: Conditioning) -> tuple[Conditioning]:
        """Forget the text."""
        return ([("", values) for _, values in conditioning],)


class AppliesControlNet(DeclaredNode):
    """A prompt with a ControlNet's picture, which shines through the placeholder."""

    FIDELITY = SIMULATED

    def execute(self, image: Pixels, strength: float, **inputs: Any) -> tuple[Conditioning, ...]:
        """Add the picture to each conditioning; no strength is no picture."""
        given = [inputs[name] for name in ("conditioning", "positive", "negative") if name in inputs]
        if strength == 0:
            return tuple(given)
        return tuple([(text, {**values, "control": image}) for text, values in each] for each in given)


CONTROLS = {
    name: type(name, (AppliesControlNet,), {"__doc__": AppliesControlNet.__doc__})
    for name in ("ControlNetApply", "ControlNetApplyAdvanced", "ControlNetApplySD3")
}
