"""OpenEXR: text attributes of the header (SaveImageAdvanced in comfy_extras/nodes_images.py, 0.33.0)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfywire.workflow.metadata.bounded import MalformedFile, decode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from comfywire.workflow.metadata.bounded import BoundedFile, Text

__all__ = ["SIGNATURE", "read_exr"]

SIGNATURE = b"\x76\x2f\x31\x01"
_LONGEST_NAME = 256  # the format's own limit, 255, and the NUL


def read_exr(file: BoundedFile) -> Iterator[Text]:
    """Yield the texts of an EXR's first header.

    Raises:
        MalformedFile: It is damaged.

    """
    offset = 8  # behind the signature, and the version with its flags
    while file.at(offset, 1) != b"\0":
        name, offset = _word(file, offset)
        kind, offset = _word(file, offset)
        length = int.from_bytes(file.at(offset, 4), "little")
        if kind == b"string":
            yield decode(name), decode(file.at(offset + 4, length))
        offset += 4 + length


def _word(file: BoundedFile, offset: int) -> tuple[bytes, int]:
    word, end, _ = file.at(offset, min(_LONGEST_NAME, max(0, file.size - offset))).partition(b"\0")
    if not end:
        raise MalformedFile("it has a name without an end")
    return word, offset + len(word) + 1
