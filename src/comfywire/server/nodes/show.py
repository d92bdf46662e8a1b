"""Showing values: PreviewAny and SaveImageWebsocket; exact."""

# INPUT_TYPES and its like are ComfyUI's names.
# ruff: noqa: N802

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, ClassVar

from comfywire.server.frames import Preview
from comfywire.server.node_host import NodeHost
from comfywire.server.nodes.files import to_pillow

if TYPE_CHECKING:
    from comfywire.server.nodes.resize import Pixels

__all__ = ["PreviewAny", "SaveImageWebsocket"]


class PreviewAny:
    """Any value as text."""

    RETURN_TYPES: tuple[str, ...] = ()
    NEWER_RETURN_TYPES = ("STRING",)
    FUNCTION = "main"
    OUTPUT_NODE = True
    CATEGORY = "utils"
    RELATIVE_PYTHON_MODULE = "comfy_extras.nodes_preview_any"
    DISPLAY_NAME = "Preview Any"
    host: ClassVar[NodeHost]

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, Any]]:
        """Return the inputs."""
        return {"required": {"source": ("*", {})}}

    def main(self, source: object = None) -> dict[str, Any]:
        """Show it: as it is, as JSON, or as Python spells it."""
        text = _spelled(source)
        shown: dict[str, Any] = {"ui": {"text": (text,)}}
        return {**shown, "result": (text,)} if self.host.is_new else shown


def _spelled(source: object) -> str:
    if isinstance(source, str):
        return source
    if source is None or isinstance(source, int | float):
        return str(source)
    try:
        return json.dumps(source)
    except (TypeError, ValueError):
        return str(source)


class SaveImageWebsocket:
    """Pictures as binary frames, and nowhere else; a socket that is gone loses them."""

    RETURN_TYPES: tuple[str, ...] = ()
    FUNCTION = "save_images"
    OUTPUT_NODE = True
    CATEGORY = "api/image"
    RELATIVE_PYTHON_MODULE = "custom_nodes.websocket_image_save"
    host: ClassVar[NodeHost]

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, Any]]:
        """Return the inputs."""
        return {"required": {"images": ("IMAGE",)}}

    @classmethod
    def IS_CHANGED(cls, images: object) -> float:
        """Return another value each time, so that it is never cached."""
        del images
        return time.time()

    def save_images(self, images: Pixels) -> dict[str, Any]:
        """Send each picture as a preview without a limit to its size; progress counts from 0."""
        for step, image in enumerate(images):
            self.host.progress(step, len(images), Preview("PNG", to_pillow(image), None))
        return {}
