"""What all nodes that write files have in common: where the next file goes, and what history says of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from comfywire.server.nodes.declared import DeclaredNode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from comfywire.server.folders import SaveTarget

__all__ = ["PreviewFolder", "SavingNode", "as_json"]

TEMP_LETTERS = "abcdefghijklmnopqrstupvxyz"  # ComfyUI's own spelling of the alphabet


class SavingNode(DeclaredNode):
    """A node that writes numbered files; newer servers' also pass on what they save."""

    TYPE: ClassVar[str] = "output"
    RETURN_TYPES: tuple[str, ...] = ()
    prefix_append = ""

    def _target(self, prefix: str, size: tuple[int, int] = (0, 0)) -> SaveTarget:
        folders = self.host.folders
        root = folders.by_type(self.TYPE) or folders.output
        return folders.next_target(prefix + self.prefix_append, root, size=size)

    def _write(self, target: SaveTarget, name: str, content: bytes | memoryview) -> dict[str, str]:
        """Write a file at once: each call to the system costs the worker the GIL, and a turn of waiting."""
        Path(target.folder, name).write_bytes(content)
        return {"filename": name, "subfolder": target.subfolder, "type": self.TYPE}

    def _shown(
        self, target: SaveTarget, ui: dict[str, Any], result: Any, *, count: int = 1
    ) -> dict[str, Any]:
        """Return what the node shows, after ``count`` files were written from ``target`` on."""
        self.host.folders.saved(target, count)
        return {"ui": ui, "result": (result,)} if self.RETURN_TYPES else {"ui": ui}


class PreviewFolder(SavingNode):
    """The same in ``temp``, which is emptied when the server ends; five letters keep previews apart."""

    TYPE = "temp"

    def __init__(self) -> None:
        self.prefix_append = "_temp_" + "".join(self.host.random.choices(TEMP_LETTERS, k=5))


def as_json(prompt: Any, extra_pnginfo: Mapping[str, Any] | None) -> dict[str, str]:
    """Return what goes into a file's metadata: the prompt, and whatever the client sent along."""
    found = {} if prompt is None else {"prompt": json.dumps(prompt)}
    return found | {key: json.dumps(value) for key, value in (extra_pnginfo or {}).items()}
