"""Showing values: PreviewAny and SaveImageWebsocket."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from comfywire.server.messages.frames import ProgressPicture
from comfywire.server.nodes.declared import DeclaredNode
from comfywire.server.nodes.files import to_pillow

if TYPE_CHECKING:
    from comfywire.server.nodes.resize import Pixels

__all__ = ["PreviewAny", "SaveImageWebsocket"]


class PreviewAny(DeclaredNode):
    """Any value as text."""

    FUNCTION = "main"

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


class SaveImageWebsocket(DeclaredNode):
    """Pictures as binary frames, and nowhere else; a socket that is gone loses them."""

    FUNCTION = "save_images"

    @classmethod
    def IS_CHANGED(cls, images: object) -> float:  # noqa: N802 - ComfyUI's name
        """Return another value each time, so that it is never cached."""
        del images
        return time.time()

    def save_images(self, images: Pixels) -> dict[str, Any]:
        """Send each picture as a preview without a limit to its size; progress counts from 0."""
        for step, image in enumerate(images):
            self.host.progress(step, len(images), ProgressPicture("PNG", to_pillow(image), None))
        return {}
