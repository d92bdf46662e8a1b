"""Prompts for tests of the client, and a node that shows whatever it is told to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

from comfywire.server.execution.node_host import NodeHost

Prompt = dict[str, Any]


class Show:
    """Shows ``ui`` as its output; of each file that it names, it writes one to the server's disk."""

    RETURN_TYPES = ()
    FUNCTION = "show"
    CATEGORY = "tests"
    OUTPUT_NODE = True
    host: ClassVar[NodeHost]

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802 - ComfyUI's name
        return {"required": {"ui": ("STRING", {}), "content": ("STRING", {})}, "optional": {"after": ("*",)}}

    def show(self, ui: str, content: str, after: object = None) -> dict[str, Any]:
        shown = json.loads(ui)
        for entries in shown.values():
            for entry in entries:
                if isinstance(entry, dict) and "filename" in entry:
                    self._write(entry, content.encode())
        return {"ui": shown}

    def _write(self, entry: dict[str, str], content: bytes) -> None:
        root = self.host.folders.by_type(entry.get("type", "output")) or ""
        path = Path(root, entry.get("subfolder", ""), entry["filename"])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def show(content: str = "content", **ui: list[Any]) -> Prompt:
    """One node that shows ``ui``."""
    return {"9": {"class_type": "Show", "inputs": {"ui": json.dumps(ui), "content": content}}}


def file(name: str, **more: str) -> dict[str, str]:
    """How nodes describe a file."""
    return {"filename": name, "subfolder": "", "type": "output", **more}


def image(color: int = 0, *, size: int = 8, batch: int = 1) -> Prompt:
    """Pictures, saved."""
    empty = {"width": size, "height": size, "batch_size": batch, "color": color}
    return {
        "1": {"class_type": "EmptyImage", "inputs": empty},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "test"}},
    }


def over_socket(color: int = 0, *, batch: int = 1, after: Prompt | None = None) -> Prompt:
    """Pictures that are delivered over the socket, and nowhere else."""
    prompt = image(color, batch=batch)
    prompt["2"] = {"class_type": "SaveImageWebsocket", "inputs": {"images": ["1", 0]}}
    return {**prompt, **(after or {})}


def text_to_image(*, seed: int = 1, steps: int = 3, output: str = "SaveImage") -> Prompt:
    """The usual seven nodes, with previews from the sampler."""
    sampler = {"seed": seed, "steps": steps, "cfg": 7, "sampler_name": "euler", "scheduler": "normal"}
    links = {"model": ["4", 0], "positive": ["6", 0], "negative": ["7", 0], "latent_image": ["5", 0]}
    saved = {"images": ["8", 0], **({"filename_prefix": "test"} if output == "SaveImage" else {})}
    checkpoint = {"ckpt_name": "comfywire-placeholder.safetensors"}
    return {
        "4": {"class_type": "CheckpointLoaderSimple", "inputs": checkpoint},
        "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
        "6": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["4", 1], "text": "a lighthouse"}},
        "7": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["4", 1], "text": ""}},
        "3": {"class_type": "KSampler", "inputs": {**sampler, "denoise": 1, **links}},
        "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
        "9": {"class_type": output, "inputs": saved},
    }
