"""Nodes of the pack comfyui-tooling-nodes (nodes.py, translation.py, 3.3.0) that krita-ai-diffusion needs."""

# INPUT_TYPES is ComfyUI's name.
# ruff: noqa: N802

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import uuid4

import numpy as np
from PIL import Image

from comfywire.server.execution.node_host import NodeHost
from comfywire.server.nodes.bounds import bounded
from comfywire.server.nodes.files import to_pillow

if TYPE_CHECKING:
    from comfywire.server.nodes.resize import Pixels

__all__ = ["TOOLING"]


class _Node:
    CATEGORY = "external_tooling"
    FUNCTION = "execute"
    RELATIVE_PYTHON_MODULE = "custom_nodes.comfyui-tooling-nodes"
    host: ClassVar[NodeHost]


class LoadImageCache(_Node):
    """A picture that was put to ``/api/etn/image/ID``, and its alpha channel."""

    RETURN_TYPES = ("IMAGE", "MASK")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Return the inputs."""
        return {"required": {"id": ("STRING", {"multiline": False})}}

    def execute(self, id: str) -> tuple[Pixels, Pixels]:  # noqa: A002 - the pack's word
        """Read the picture; grey ones are both, and of a colourful one without alpha the mask is its red."""
        if id not in self.host.pictures:
            raise ValueError(f"Image with ID {id} not found in cache.")
        with Image.open(BytesIO(self.host.pictures[id][0])) as opened:
            bounded(1, opened.height, opened.width, 4)
            pixels = np.asarray(opened).astype(np.float32) / np.float32(255.0)
        pixels = pixels.reshape((1, *pixels.shape[:2], -1))
        if pixels.shape[-1] == 1:
            return np.repeat(pixels, 3, axis=-1), pixels[..., 0]
        return pixels[..., :3], pixels[..., 3 if pixels.shape[-1] == 4 else 0]


class SaveImageCache(_Node):
    """Pictures for ``/api/etn/image/ID``."""

    RETURN_TYPES: tuple[str, ...] = ()
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Return the inputs."""
        return {"required": {"images": ("IMAGE",), "format": (["PNG", "JPEG"], {"default": "PNG"})}}

    def execute(self, images: Pixels, format: str) -> dict[str, Any]:  # noqa: A002 - the pack's word
        """Keep each picture in memory, and tell its id."""
        return {"ui": {"images": [self._kept(image, format) for image in images]}}

    def _kept(self, image: Pixels, form: str) -> dict[str, str]:
        encoded = BytesIO()
        to_pillow(image).save(encoded, form, quality=95, compress_level=1)
        name, kind = uuid4().hex, f"image/{form.lower()}"
        self.host.pictures[name] = (encoded.getvalue(), kind)
        return {"source": "http", "id": name, "content-type": kind, "type": "output"}


class Translate(_Node):
    """A text as it is: nothing is translated here."""

    RETURN_TYPES = ("STRING",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Return the inputs."""
        return {"required": {"text": ("STRING", {"multiline": True})}}

    def execute(self, text: str) -> tuple[str]:
        """Pass it on."""
        return (text,)


TOOLING = {
    "ETN_LoadImageCache": LoadImageCache,
    "ETN_SaveImageCache": SaveImageCache,
    "ETN_Translate": Translate,
}
"""The classes by class_type."""
