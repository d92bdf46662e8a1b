"""GLB, binary glTF: ``asset.extras`` in its JSON (comfy_extras/nodes_hunyuan3d.py, save_glb, 0.3.64)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from comfywire.workflow.metadata.bounded import MalformedFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from comfywire.workflow.metadata.bounded import BoundedFile, Text

__all__ = ["read_glb"]


def read_glb(file: BoundedFile) -> Iterator[Text]:
    """Yield the texts of ``asset.extras``.

    Raises:
        MalformedFile: It is damaged.

    """
    header = file.at(12, 8)  # behind the magic number, the version and the length of the file
    if header[4:] != b"JSON":
        raise MalformedFile("its first chunk is not JSON")
    try:
        scene = json.loads(file.at(20, int.from_bytes(header[:4], "little")))
    except (ValueError, RecursionError) as error:
        raise MalformedFile("its first chunk is not JSON") from error
    for key, text in _child(_child(scene, "asset"), "extras").items():
        if isinstance(text, str | dict):
            yield key, text if isinstance(text, str) else json.dumps(text)


def _child(parent: Any, key: str) -> dict[str, Any]:
    child = parent.get(key) if isinstance(parent, dict) else None
    return child if isinstance(child, dict) else {}
