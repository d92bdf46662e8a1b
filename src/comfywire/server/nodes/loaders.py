"""Loaders and changes of models (nodes.py, comfy_extras). SIMULATED."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from comfywire.server.nodes.declared import SIMULATED, DeclaredNode
from comfywire.server.nodes.simulated import Simulated, passing

__all__ = ["LOADERS", "LoraLoader", "LoraLoaderModelOnly"]

LOADERS = {
    **passing(
        "CheckpointLoaderSimple CheckpointLoader unCLIPCheckpointLoader ImageOnlyCheckpointLoader",
        "A checkpoint's model, CLIP and VAE.",
    ),
    **passing(
        "UNETLoader CLIPLoader DualCLIPLoader TripleCLIPLoader QuadrupleCLIPLoader VAELoader "
        "CLIPVisionLoader StyleModelLoader ControlNetLoader DiffControlNetLoader GLIGENLoader "
        "UpscaleModelLoader HypernetworkLoader",
        "One model from a file.",
    ),
    **passing(
        "CLIPSetLastLayer ModelSamplingDiscrete ModelSamplingContinuousEDM ModelSamplingContinuousV "
        "ModelSamplingSD3 ModelSamplingAuraFlow ModelSamplingFlux ModelSamplingLTXV RescaleCFG FreeU "
        "FreeU_V2 PatchModelAddDownscale PerturbedAttentionGuidance SelfAttentionGuidance "
        "SkipLayerGuidanceDiT SkipLayerGuidanceSD3 DifferentialDiffusion CFGNorm CFGZeroStar HyperTile "
        "TomePatchModel",
        "The model or CLIP that it was given: what it changes, no placeholder shows.",
    ),
}


class LoraLoader(DeclaredNode):
    """A model and a CLIP with a LoRA: another LoRA or strength, another placeholder."""

    FIDELITY = SIMULATED

    def execute(self, model: Any, clip: Any, lora_name: str, **strengths: float) -> tuple[Any, Any]:
        """Note it."""
        change = f"{lora_name} {strengths}"
        return _changed(model, change), _changed(clip, change)


class LoraLoaderModelOnly(DeclaredNode):
    """A model with a LoRA: another LoRA or strength, another placeholder."""

    FIDELITY = SIMULATED

    def execute(self, model: Any, lora_name: str, strength_model: float) -> tuple[Any]:
        """Note it."""
        return (_changed(model, f"{lora_name} {strength_model}"),)


def _changed(model: Any, change: str) -> Any:
    if not isinstance(model, Simulated):
        return model
    return replace(model, changes="\n".join(filter(None, (model.changes, change))))
