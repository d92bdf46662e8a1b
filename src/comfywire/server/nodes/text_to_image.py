"""The usual text-to-image nodes, SIMULATED: real inputs, steps, progress and previews, no model."""

# INPUT_TYPES and its like are ComfyUI's names; it passes inputs by name, however many.
# ruff: noqa: N802, PLR0917

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from comfywire.server.frames import Preview
from comfywire.server.node_host import NodeHost
from comfywire.server.nodes.placeholder import Drawing
from comfywire.server.nodes.resize import Pixels
from comfywire.server.nodes.samplers import NEWER_SAMPLERS, SAMPLERS, SCHEDULERS

__all__ = [
    "CLIPTextEncode",
    "CheckpointLoaderSimple",
    "EmptyLatentImage",
    "KSampler",
    "VAEDecode",
    "VAEEncode",
]

Inputs = dict[str, dict[str, Any]]
Latent = dict[str, Any]
Conditioning = list[tuple[str, dict[str, Any]]]

PREVIEW_SIZE = 512  # --preview-size


@dataclass(frozen=True, slots=True)
class Simulated:
    """Stands for a model, a CLIP or a VAE."""

    kind: str
    name: str


class CheckpointLoaderSimple:
    """Simulated: any name on the list will do."""

    RETURN_TYPES = ("MODEL", "CLIP", "VAE")
    OUTPUT_TOOLTIPS = (
        "The model used for denoising latents.",
        "The CLIP model used for encoding text prompts.",
        "The VAE model used for encoding and decoding images to and from latent space.",
    )
    FUNCTION = "load_checkpoint"
    CATEGORY = "loaders"
    DISPLAY_NAME = "Load Checkpoint"
    DESCRIPTION = "Loads a diffusion model checkpoint, diffusion models are used to denoise latents."
    host: ClassVar[NodeHost]

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Return the inputs."""
        names = cls.host.folders.model_files("checkpoints")
        return {
            "required": {"ckpt_name": (names, {"tooltip": "The name of the checkpoint (model) to load."})}
        }

    def load_checkpoint(self, ckpt_name: str) -> tuple[Simulated, Simulated, Simulated]:
        """Load nothing."""
        return Simulated("model", ckpt_name), Simulated("clip", ckpt_name), Simulated("vae", ckpt_name)


class CLIPTextEncode:
    """Simulated: the conditioning is the text."""

    RETURN_TYPES = ("CONDITIONING",)
    OUTPUT_TOOLTIPS = ("A conditioning containing the embedded text used to guide the diffusion model.",)
    FUNCTION = "encode"
    CATEGORY = "conditioning"
    DISPLAY_NAME = "CLIP Text Encode (Prompt)"
    DESCRIPTION = (
        "Encodes a text prompt using a CLIP model into an embedding that can be used to guide the "
        "diffusion model towards generating specific images."
    )

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Return the inputs."""
        text = {"multiline": True, "dynamicPrompts": True, "tooltip": "The text to be encoded."}
        return {
            "required": {
                "text": ("STRING", text),
                "clip": ("CLIP", {"tooltip": "The CLIP model used for encoding the text."}),
            }
        }

    def encode(self, clip: Simulated, text: str) -> tuple[Conditioning]:
        """Keep the text."""
        return ([(text, {"clip": clip.name})],)


class EmptyLatentImage:
    """A latent of zeros, an eighth of the picture's size; exact."""

    RETURN_TYPES = ("LATENT",)
    OUTPUT_TOOLTIPS = ("The empty latent image batch.",)
    FUNCTION = "generate"
    CATEGORY = "latent"
    DISPLAY_NAME = "Empty Latent Image"
    DESCRIPTION = "Create a new batch of empty latent images to be denoised via sampling."

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Return the inputs."""
        side = {"default": 512, "min": 16, "max": 16384, "step": 8}
        batch = {"default": 1, "min": 1, "max": 4096}
        return {
            "required": {
                "width": ("INT", {**side, "tooltip": "The width of the latent images in pixels."}),
                "height": ("INT", {**side, "tooltip": "The height of the latent images in pixels."}),
                "batch_size": ("INT", {**batch, "tooltip": "The number of latent images in the batch."}),
            }
        }

    def generate(self, width: int, height: int, batch_size: int = 1) -> tuple[Latent]:
        """Make zeros."""
        return ({"samples": np.zeros((batch_size, 4, height // 8, width // 8), dtype=np.float32)},)


class KSampler:
    """Simulated: real steps, progress and previews, and no model."""

    RETURN_TYPES = ("LATENT",)
    OUTPUT_TOOLTIPS = ("The denoised latent.",)
    FUNCTION = "sample"
    CATEGORY = "sampling"
    DESCRIPTION = "Uses the provided model, positive and negative conditioning to denoise the latent image."
    host: ClassVar[NodeHost]

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Return the inputs."""
        return {"required": sampler_inputs(NEWER_SAMPLERS if cls.host.is_new else SAMPLERS)}

    def sample(
        self,
        model: Simulated,
        seed: int,
        steps: int,
        cfg: float,
        sampler_name: str,
        scheduler: str,
        positive: Conditioning,
        negative: Conditioning,
        latent_image: Latent,
        denoise: float = 1.0,
    ) -> tuple[Latent]:
        """Take the time that ``step_time`` says for each step, and remember what to draw."""
        del model, cfg, sampler_name, scheduler, negative
        text = ", ".join(text for text, _ in positive)
        began = latent_image.get("drawing", Drawing())
        drawing = replace(began, text=text, seed=seed, denoise=denoise)
        rows, columns = latent_image["samples"].shape[2:]
        for step in range(1, steps + 1):
            self.host.sleep(self.host.step_time)
            preview = None
            if self.host.previews and self.host.is_heard:
                picture = drawing.of_batch(0).picture((columns, rows), share=step / (steps + 1))
                preview = Preview("JPEG", picture, PREVIEW_SIZE)
            self.host.progress(step, steps, preview)
        return ({**latent_image, "drawing": drawing},)


def sampler_inputs(samplers: list[str]) -> dict[str, Any]:
    """Return KSampler's inputs."""
    cfg = (
        "The Classifier-Free Guidance scale balances creativity and adherence to the prompt. Higher values "
        "result in images more closely matching the prompt however too high values will negatively impact "
        "quality."
    )
    sampler = (
        "The algorithm used when sampling, this can affect the quality, speed, and style of the generated "
        "output."
    )
    include = "The conditioning describing the attributes you want to include in the image."
    exclude = "The conditioning describing the attributes you want to exclude from the image."
    denoise = (
        "The amount of denoising applied, lower values will maintain the structure of the initial image "
        "allowing for image to image sampling."
    )
    seed = {
        "default": 0,
        "min": 0,
        "max": 0xFFFFFFFFFFFFFFFF,
        "control_after_generate": True,
        "tooltip": "The random seed used for creating the noise.",
    }
    steps = {
        "default": 20,
        "min": 1,
        "max": 10000,
        "tooltip": "The number of steps used in the denoising process.",
    }
    scale = {"default": 8.0, "min": 0.0, "max": 100.0, "step": 0.1, "round": 0.01, "tooltip": cfg}
    scheduler = "The scheduler controls how noise is gradually removed to form the image."
    return {
        "model": ("MODEL", {"tooltip": "The model used for denoising the input latent."}),
        "seed": ("INT", seed),
        "steps": ("INT", steps),
        "cfg": ("FLOAT", scale),
        "sampler_name": (samplers, {"tooltip": sampler}),
        "scheduler": (SCHEDULERS, {"tooltip": scheduler}),
        "positive": ("CONDITIONING", {"tooltip": include}),
        "negative": ("CONDITIONING", {"tooltip": exclude}),
        "latent_image": ("LATENT", {"tooltip": "The latent image to denoise."}),
        "denoise": (
            "FLOAT",
            {"default": 1.0, "min": 0.0, "max": 1.0, "step": 0.01, "tooltip": denoise},
        ),
    }


class VAEDecode:
    """Simulated: draws the placeholder."""

    RETURN_TYPES = ("IMAGE",)
    OUTPUT_TOOLTIPS = ("The decoded image.",)
    FUNCTION = "decode"
    CATEGORY = "latent"
    DISPLAY_NAME = "VAE Decode"
    DESCRIPTION = "Decodes latent images back into pixel space images."

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Return the inputs."""
        vae = {"tooltip": "The VAE model used for decoding the latent."}
        return {
            "required": {
                "samples": ("LATENT", {"tooltip": "The latent to be decoded."}),
                "vae": ("VAE", vae),
            }
        }

    def decode(self, vae: Simulated, samples: Latent) -> tuple[Pixels]:
        """Draw each picture of the batch."""
        del vae
        batch, _, rows, columns = samples["samples"].shape
        drawing: Drawing = samples.get("drawing", Drawing())
        pictures = [drawing.of_batch(index).picture((columns * 8, rows * 8)) for index in range(batch)]
        return (np.stack([np.asarray(picture) for picture in pictures]).astype(np.float32) / np.float32(255),)


class VAEEncode:
    """Simulated: the latent remembers the picture."""

    RETURN_TYPES = ("LATENT",)
    FUNCTION = "encode"
    CATEGORY = "latent"
    DISPLAY_NAME = "VAE Encode"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Return the inputs."""
        return {"required": {"pixels": ("IMAGE",), "vae": ("VAE",)}}

    def encode(self, vae: Simulated, pixels: Pixels) -> tuple[Latent]:
        """Keep the picture; sampling with little ``denoise`` leaves much of it."""
        del vae
        batch, height, width = pixels.shape[:3]
        samples = np.zeros((batch, 4, height // 8, width // 8), dtype=np.float32)
        return ({"samples": samples, "drawing": Drawing(base=pixels, denoise=0.0)},)
