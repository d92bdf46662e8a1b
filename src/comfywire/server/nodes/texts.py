"""Texts of values, and files of text (nodes_string.py, nodes_text.py, nodes_image_compare.py, 0.33.0)."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from comfywire.server.nodes.declared import DeclaredNode
from comfywire.server.nodes.files import PreviewImage
from comfywire.server.nodes.saving import SavingNode

if TYPE_CHECKING:
    from comfywire.server.nodes.resize import Pixels

__all__ = ["ImageCompare", "JsonExtractString", "SaveText", "StringFormat"]

LARGE_WIDTH = re.compile(r"\d{6}")


class StringFormat(DeclaredNode):
    """A text with values in it, by Python's rules for ``format``."""

    def execute(self, f_string: str, **values: Any) -> tuple[str]:
        """Fill them in."""
        if LARGE_WIDTH.search(f_string):
            raise ValueError("the text asks for a width of 100,000 or more: use a smaller one")
        return (f_string.format(**{name.partition(".")[2]: value for name, value in values.items()}),)


class JsonExtractString(DeclaredNode):
    """One value of a JSON object as text."""

    def execute(self, json_string: str, key: str) -> tuple[str]:
        """Look it up; what is no object, or has no such key, is empty."""
        try:
            found = json.loads(json_string)
        except (TypeError, ValueError):
            return ("",)
        value = found.get(key) if isinstance(found, dict) else None
        return ("" if value is None else str(value),)


class SaveText(SavingNode):
    """A text as a file."""

    def execute(
        self,
        text: str,
        filename_prefix: str,
        format: str,  # noqa: A002 - ComfyUI's name
        **_: Any,
    ) -> dict[str, Any]:
        """Write the file, JSON made readable, and name it."""
        target = self._target(filename_prefix, (1, 1))
        content = text
        if format == "json":
            try:
                content = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
            except ValueError:
                content = text
        name = f"{target.filename}_{target.counter:05}.{format}"
        saved = self._write(target, name, content.encode())
        return self._shown(target, {"text": [text], "files": [saved]}, text)


class ImageCompare(PreviewImage):
    """Two pictures, to be shown one over the other."""

    FUNCTION = "execute"

    def execute(
        self, image_a: Pixels | None = None, image_b: Pixels | None = None, **_: Any
    ) -> dict[str, Any]:
        """Save what is there in ``temp``."""
        given = {"a": image_a, "b": image_b}
        return {
            "ui": {
                f"{side}_images": []
                if images is None
                else self.save_images(images, f"comfy.compare.{side}")["ui"]["images"]
                for side, images in given.items()
            }
        }
