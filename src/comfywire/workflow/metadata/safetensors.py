"""safetensors: ``.latent`` files, and checkpoints, VAEs and the like that ComfyUI saved."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from comfywire.workflow.metadata.bounded import MalformedFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from comfywire.workflow.metadata.bounded import BoundedFile, Text

__all__ = ["read_safetensors"]


def read_safetensors(file: BoundedFile) -> Iterator[Text]:
    """Yield the texts of the header's ``__metadata__``.

    Raises:
        MalformedFile: It is damaged.

    """
    length = int.from_bytes(file.at(0, 8), "little")
    try:
        header = json.loads(file.at(8, length))
    except (ValueError, RecursionError) as error:
        raise MalformedFile("its header is not JSON") from error
    texts = header.get("__metadata__") if isinstance(header, dict) else None
    for key, text in texts.items() if isinstance(texts, dict) else ():
        if isinstance(text, str):
            yield key, text
