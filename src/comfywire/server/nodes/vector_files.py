"""SVG (comfy_extras/nodes_images.py). No core node makes one; API nodes and stand-ins do."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from comfywire.server.nodes.saving import SavingNode

__all__ = ["SVG", "SaveSVGNode"]


@dataclass(frozen=True, slots=True)
class SVG:
    """ComfyUI's SVG: one document a picture, as bytes in memory."""

    data: list[BytesIO]

    @classmethod
    def saying(cls, text: str) -> SVG:
        """Return a small document that shows a line of text."""
        escaped = text.replace("&", "&amp;").replace("<", "&lt;")
        return cls(
            [
                BytesIO(
                    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 256 64">'
                    f'<text x="8" y="36" font-size="12">{escaped}</text></svg>'.encode()
                )
            ]
        )


class SaveSVGNode(SavingNode):
    """An SVG file for each document, with the prompt in its ``<metadata>``."""

    def execute(
        self,
        svg: SVG,
        filename_prefix: str = "svg/ComfyUI",
        prompt: dict[str, Any] | None = None,
        extra_pnginfo: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Write the files and name them."""
        target = self._target(filename_prefix)
        metadata = {**({} if prompt is None else {"prompt": prompt}), **(extra_pnginfo or {})}
        saved = []
        for number, document in enumerate(svg.data):
            stem = target.filename.replace("%batch_num%", str(number))
            name = f"{stem}_{target.counter + number:05}_.svg"
            text = document.getvalue().decode("utf-8")
            saved.append(self._write(target, name, _described(text, metadata).encode()))
        return self._shown(target, {"images": saved}, svg, count=len(saved))


def _described(text: str, metadata: dict[str, Any]) -> str:
    """Put the metadata right after each opening tag."""
    if not metadata:
        return text
    element = f"\n<metadata><![CDATA[\n{json.dumps(metadata, indent=2)}\n]]></metadata>\n"
    return re.sub(r"<svg[^>]*>", lambda tag: tag[0] + element, text)
