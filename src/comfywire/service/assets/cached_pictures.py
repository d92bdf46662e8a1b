"""Pictures that programs keep by an id of theirs, as the node pack comfyui-tooling-nodes has it (3.3.0).

Such a program (krita-ai-diffusion) puts a picture to ``/api/etn/image/ID``, and its graph has a node that
loads the picture by that id out of its ComfyUI's memory. Here the picture is an upload of the caller's, and
goes to whichever ComfyUI runs the job.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from comfywire.service.assets.file_names import is_link
from comfywire.service.assets.naming import named_as

__all__ = ["FOLDER", "cache_id", "ids_in", "is_reader", "place_of_id", "upload_of_id"]

READERS = {"ETN_LoadImageCache": "id"}
"""The nodes that load a picture out of the memory, and by which input."""
FOLDER = "comfywire-etn"
"""Where below ``temp`` these uploads are: so no menu of files to load offers them."""
OF_A_JOB = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.(.+)", re.DOTALL)
PERIOD = 30.0
"""Seconds for which the same bytes have the same id on a ComfyUI.

Then nodes after them run from its cache. Not for ever: of what was loaded once, the pack may forget what it
was given more than a minute ago, and it takes nothing a second time (nodes.py, ImageCache.prune).
"""


def upload_of_id(name: str) -> str:
    """Return the path of the upload that a program calls so."""
    return named_as(FOLDER, name, "temp")


def place_of_id(name: str) -> tuple[UUID, str] | None:
    """Return the job and the file name of an output by the id that was told of it; None for another id."""
    found = OF_A_JOB.fullmatch(name)
    return None if found is None else (UUID(found[1]), found[2])


def cache_id(stem: str, now: float) -> str:
    """Return the id that a picture gets on a ComfyUI; ``stem`` is impossible to guess."""
    return f"{stem}-{int(now // PERIOD)}"


def is_reader(node: Any) -> bool:
    """Whether a node loads a picture out of the memory."""
    return isinstance(node, Mapping) and node.get("class_type") in READERS


def ids_in(prompt: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield node, input and id of all pictures that a prompt loads out of the memory."""
    for node_id, node in prompt.items():
        if is_reader(node):
            name = READERS[node["class_type"]]
            value = node.get("inputs", {}).get(name)
            if isinstance(value, str) and not is_link(value):
                yield node_id, name, value
