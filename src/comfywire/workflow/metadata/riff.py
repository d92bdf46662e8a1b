"""RIFF: the EXIF chunk of a WebP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfywire.workflow.metadata.exif import parse_exif

if TYPE_CHECKING:
    from collections.abc import Iterator

    from comfywire.workflow.metadata.bounded import BoundedFile, Text

__all__ = ["read_webp"]


def read_webp(file: BoundedFile) -> Iterator[Text]:
    """Yield the texts of a WebP's EXIF chunk.

    Raises:
        MalformedFile: It is damaged.

    """
    offset = 12  # "RIFF", size, "WEBP"; the size is not believed: files with more behind it are read as well
    while offset + 8 <= file.size:
        header = file.at(offset, 8)
        length = int.from_bytes(header[4:], "little")
        if header[:4] == b"EXIF":
            yield from parse_exif(file.at(offset + 8, length))
        offset += 8 + length + length % 2
