"""EXIF: the texts of a TIFF directory, as WebP, AVIF and JPEG carry them.

ComfyUI's WebP has ``prompt:{json}`` in Model (0x0110) and ``workflow:{json}`` in Make (0x010F), further keys
in the tags below (comfy_extras/nodes_images.py, SaveAnimatedWEBP, 0.3.64); node packs that write JPEG or AVIF
do the same, or put the JSON into UserComment or ImageDescription.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, TypeAlias

from comfywire.workflow.metadata.bounded import MalformedFile, decode

if TYPE_CHECKING:
    from comfywire.workflow.metadata.bounded import Text

__all__ = ["parse_exif"]

_ByteOrder: TypeAlias = Literal["little", "big"]

_PREFIX = b"Exif\0\0"
_BYTE, _ASCII, _LONG, _UNDEFINED, _UTF8 = 1, 2, 4, 7, 129
_EXIF_DIRECTORY = 0x8769
_USER_COMMENT = 0x9286
_WINDOWS_TEXTS = {0x9C9B: "XPTitle", 0x9C9C: "XPComment", 0x9C9F: "XPSubject"}
_NAMES = {0x010E: "ImageDescription", _USER_COMMENT: "UserComment", 0x010F: "Make", 0x0110: "Model"}
_MOST_ENTRIES = 1000
_KEY = re.compile(r"\s*([A-Za-z][\w .-]{0,63}?)\s*:\s*(?=[{\[])")


def parse_exif(block: bytes) -> Iterator[Text]:
    """Yield the texts of an EXIF block, with the key that stands before the JSON, or else the tag's name.

    Raises:
        MalformedFile: It is damaged.

    """
    block = block.removeprefix(_PREFIX)
    order = _byte_order(block)
    directory = _integer(block, 4, 4, order)
    pointers = []
    for tag, kind, content in _entries(block, directory, order):
        if tag == _EXIF_DIRECTORY and len(content) == 4:
            pointers.append(int.from_bytes(content, order))
        else:
            yield from _text(tag, kind, content, order)
    for pointer in pointers[:1]:  # one level down: UserComment is there, and nothing of interest below
        for tag, kind, content in _entries(block, pointer, order):
            yield from _text(tag, kind, content, order)


def _byte_order(block: bytes) -> _ByteOrder:
    match block[:4]:
        case b"II*\0":
            return "little"
        case b"MM\0*":
            return "big"
    raise MalformedFile("its EXIF block does not begin as one")


def _entries(block: bytes, directory: int, order: _ByteOrder) -> Iterator[tuple[int, int, bytes]]:
    count = _integer(block, directory, 2, order)
    total = 0
    for index in range(min(count, _MOST_ENTRIES)):
        entry = directory + 2 + 12 * index
        tag, kind = _integer(block, entry, 2, order), _integer(block, entry + 2, 2, order)
        length = _integer(block, entry + 4, 4, order) * (4 if kind == _LONG else 1)
        if kind in {_BYTE, _ASCII, _LONG, _UNDEFINED, _UTF8}:
            total += length
            if total > len(block):  # entries that all point to the same place
                raise MalformedFile("its EXIF block claims to hold more than it does")
            start = entry + 8 if length <= 4 else _integer(block, entry + 8, 4, order)
            yield tag, kind, _slice(block, start, length)


def _text(tag: int, kind: int, content: bytes, order: _ByteOrder) -> Iterator[Text]:
    if tag in _WINDOWS_TEXTS:
        yield _WINDOWS_TEXTS[tag], content.decode("utf-16-le", "replace").rstrip("\0")
    elif tag == _USER_COMMENT:
        yield _split(_NAMES[tag], _decode_comment(content, order))
    elif kind in {_ASCII, _UTF8}:
        yield _split(_NAMES.get(tag, f"0x{tag:04X}"), decode(content))


def _decode_comment(content: bytes, order: _ByteOrder) -> str:
    charset, text = content[:8], content[8:]
    if charset.startswith(b"UNICODE"):
        return text.decode(_wide_codec(text, order), "replace").rstrip("\0")
    return decode(text if charset.rstrip(b"\0") in {b"ASCII", b"JIS", b""} else content)


def _wide_codec(text: bytes, order: _ByteOrder) -> str:
    # The block's own byte order is the rule; piexif, which most node packs use, writes big-endian always.
    # JSON begins with a character below 256, so one of its two bytes is zero and tells.
    match text[:1] == b"\0", text[1:2] == b"\0":
        case True, False:
            return "utf-16-be"
        case False, True:
            return "utf-16-le"
    is_marked = text[:2] in {b"\xff\xfe", b"\xfe\xff"}
    return "utf-16" if is_marked else f"utf-16-{order[0]}e"


def _split(name: str, text: str) -> Text:
    key = _KEY.match(text, 0, 256)
    return (key[1], text[key.end() :]) if key else (name, text)


def _integer(block: bytes, start: int, length: int, order: _ByteOrder) -> int:
    return int.from_bytes(_slice(block, start, length), order)


def _slice(block: bytes, start: int, length: int) -> bytes:
    if start + length > len(block):
        raise MalformedFile("its EXIF block points beyond its own end")
    return block[start : start + length]
