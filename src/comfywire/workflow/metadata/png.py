"""PNG: text chunks, and the private chunk of ComfyUI's animated PNGs.

SaveImage writes ``tEXt`` (``iTXt`` for a key that Latin-1 cannot spell) before the picture; SaveAnimatedPNG
writes chunks of type ``comf``, ``key NUL json``, after it (comfy_extras/nodes_images.py, 0.3.64), where
libraries that read text chunks do not look.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfywire.workflow.metadata.bounded import BoundedFile, MalformedFile, decode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from comfywire.workflow.metadata.bounded import Text

__all__ = ["SIGNATURE", "read_png"]

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def read_png(file: BoundedFile) -> Iterator[Text]:
    """Yield the texts of a PNG.

    Raises:
        MalformedFile: It is damaged.

    """
    offset = len(SIGNATURE)
    while offset < file.size:
        header = file.at(offset, 8)
        length, kind = int.from_bytes(header[:4], "big"), header[4:]
        if not kind.isalpha():
            raise MalformedFile("it has a chunk whose type is no word")
        if kind == b"IEND":
            return
        if kind in _READERS:
            yield _READERS[kind](file, file.at(offset + 8, length))
        offset += 12 + length  # length, type, body, checksum
    raise MalformedFile("it breaks off")


def _read_plain(_file: BoundedFile, body: bytes) -> Text:
    key, _, text = body.partition(b"\0")
    return decode(key), decode(text)


def _read_compressed(file: BoundedFile, body: bytes) -> Text:
    key, _, rest = body.partition(b"\0")
    return decode(key), decode(file.inflate(rest[1:]))  # one byte names the method; there is one method


def _read_international(file: BoundedFile, body: bytes) -> Text:
    key, _, rest = body.partition(b"\0")
    _language, _, translated = rest[2:].partition(b"\0")
    text = translated.partition(b"\0")[2]
    is_compressed = rest[:1] == b"\x01"
    return decode(key), decode(file.inflate(text) if is_compressed else text)


_READERS = {
    b"tEXt": _read_plain,
    b"comf": _read_plain,
    b"zTXt": _read_compressed,
    b"iTXt": _read_international,
}
