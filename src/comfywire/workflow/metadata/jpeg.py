"""JPEG: EXIF and comments. ComfyUI itself writes none; node packs do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfywire.workflow.metadata.bounded import MalformedFile, decode
from comfywire.workflow.metadata.exif import parse_exif

if TYPE_CHECKING:
    from collections.abc import Iterator

    from comfywire.workflow.metadata.bounded import BoundedFile, Text

__all__ = ["read_jpeg"]

_APP1, _COMMENT, _START_OF_SCAN, _END, _FILL = 0xE1, 0xFE, 0xDA, 0xD9, 0xFF
_WITHOUT_BODY = frozenset({0x01, *range(0xD0, 0xD9), _FILL})


def read_jpeg(file: BoundedFile) -> Iterator[Text]:
    """Yield the texts that stand before the picture's first scan.

    Raises:
        MalformedFile: It is damaged.

    """
    offset = 2
    while (marker := _marker(file, offset)) not in {_START_OF_SCAN, _END}:
        if marker in _WITHOUT_BODY:
            offset += 1 if marker == _FILL else 2
            continue
        length = int.from_bytes(file.at(offset + 2, 2), "big")
        if marker in {_APP1, _COMMENT}:
            yield from _read_segment(marker, file.at(offset + 4, max(0, length - 2)))
        offset += 2 + max(2, length)


def _marker(file: BoundedFile, offset: int) -> int:
    prefix, marker = file.at(offset, 2)
    if prefix != 0xFF:
        raise MalformedFile("it has no marker where one belongs")
    return marker


def _read_segment(marker: int, body: bytes) -> Iterator[Text]:
    if marker == _COMMENT:
        yield "comment", decode(body)
    elif body.startswith(b"Exif\0\0"):
        yield from parse_exif(body)
