"""MP4, MOV and M4A: the keyed metadata of a movie; AVIF: the EXIF of a picture.

SaveVideo has FFmpeg write ``mdta`` keys (``use_metadata_tags``; comfy_api, video_types.py, 0.3.64): a box
``keys`` with the names and a box ``ilst`` with the values, by number. Other writers use iTunes' names (a
comment is ``©cmt``), which node packs fill with JSON.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from comfywire.workflow.metadata.bounded import MalformedFile, decode
from comfywire.workflow.metadata.exif import parse_exif

if TYPE_CHECKING:
    from collections.abc import Iterator

    from comfywire.workflow.metadata.bounded import BoundedFile, Text

__all__ = ["PICTURE_BRANDS", "read_movie", "read_picture"]

PICTURE_BRANDS = frozenset({b"avif", b"avis", b"mif1", b"msf1", b"heic", b"heix", b"hevc", b"miaf"})
_ITUNES = {b"\xa9cmt": "comment", b"\xa9des": "description", b"desc": "description", b"\xa9nam": "title"}


_MOST_KEYS = 10_000


@dataclass(frozen=True, slots=True)
class _Box:
    kind: bytes
    start: int
    end: int


def _boxes(file: BoundedFile, start: int, end: int) -> Iterator[_Box]:
    offset = start
    while offset + 8 <= end:
        header = file.at(offset, 8)
        length, body = int.from_bytes(header[:4], "big"), offset + 8
        if length == 1:
            length, body = int.from_bytes(file.at(body, 8), "big"), body + 8
        after = end if length == 0 else offset + length
        if after < body or after > end:
            raise MalformedFile("it has a box that does not fit into its place")
        yield _Box(header[4:], body, after)
        offset = after


def _find(file: BoundedFile, within: _Box, kind: bytes) -> Iterator[_Box]:
    return (box for box in _boxes(file, within.start, within.end) if box.kind == kind)


def _body(file: BoundedFile, box: _Box) -> bytes:
    return file.at(box.start, box.end - box.start)


def _whole(file: BoundedFile) -> _Box:
    return _Box(b"file", 0, file.size)


def read_movie(file: BoundedFile) -> Iterator[Text]:
    """Yield the texts of an MP4's or MOV's metadata.

    Raises:
        MalformedFile: It is damaged.

    """
    for movie in _find(file, _whole(file), b"moov"):
        for user in _find(file, movie, b"udta"):
            yield from _read_user_texts(file, user)
            for meta in _find(file, user, b"meta"):
                yield from _read_meta(file, meta)
        for meta in _find(file, movie, b"meta"):
            yield from _read_meta(file, meta)


def _read_user_texts(file: BoundedFile, user: _Box) -> Iterator[Text]:
    for box in _boxes(file, user.start, user.end):
        if box.kind in _ITUNES:  # QuickTime's own form: length, language, text
            yield _ITUNES[box.kind], decode(_body(file, box)[4:])


def _read_meta(file: BoundedFile, meta: _Box) -> Iterator[Text]:
    meta = _without_version(file, meta)
    keys = [key for box in _find(file, meta, b"keys") for key in _read_keys(file, box)]
    for values in _find(file, meta, b"ilst"):
        for box in _boxes(file, values.start, values.end):
            number = int.from_bytes(box.kind, "big")
            key = keys[number - 1] if 0 < number <= len(keys) else _ITUNES.get(box.kind)
            if key is not None:
                yield from ((key, decode(_body(file, value)[8:])) for value in _find(file, box, b"data"))


def _without_version(file: BoundedFile, meta: _Box) -> _Box:
    # In MP4 a meta box begins with four bytes of version and flags, in QuickTime with its first child.
    is_quicktime = meta.end - meta.start >= 8 and file.at(meta.start + 4, 4) == b"hdlr"
    return meta if is_quicktime else _Box(meta.kind, min(meta.start + 4, meta.end), meta.end)


def _read_keys(file: BoundedFile, box: _Box) -> Iterator[str]:
    body = _body(file, box)
    offset = 8
    for _ in range(min(_MOST_KEYS, len(body) // 8)):
        if offset + 8 > len(body):
            return
        length = int.from_bytes(body[offset : offset + 4], "big")
        if length < 8:
            raise MalformedFile("it has a metadata key of impossible length")
        yield decode(body[offset + 8 : offset + length])
        offset += length


def read_picture(file: BoundedFile) -> Iterator[Text]:
    """Yield the texts of an AVIF's EXIF.

    Raises:
        MalformedFile: It is damaged.

    """
    for box in _find(file, _whole(file), b"meta"):
        meta = _without_version(file, box)
        wanted = {number for infos in _find(file, meta, b"iinf") for number in _exif_numbers(file, infos)}
        for places in _find(file, meta, b"iloc"):
            for number, start, length in _parse_places(_body(file, places)):
                if number in wanted:
                    block = file.at(start, length)
                    # The first four bytes say how far behind them the TIFF header stands.
                    yield from parse_exif(block[4 + int.from_bytes(block[:4], "big") :])


def _exif_numbers(file: BoundedFile, infos: _Box) -> Iterator[int]:
    version = file.at(infos.start, 1)[0]
    first = infos.start + (6 if version == 0 else 8)
    for info in _boxes(file, first, infos.end):
        body = _body(file, info)
        width = 4 if body[:1] == b"\x03" else 2
        if info.kind == b"infe" and body[6 + width : 10 + width] == b"Exif":
            yield int.from_bytes(body[4 : 4 + width], "big")


class _Cursor:
    """Big-endian numbers, one after the other."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    def take(self, width: int) -> int:
        if self._at + width > len(self._body):
            raise MalformedFile("its list of places breaks off")
        self._at += width
        return int.from_bytes(self._body[self._at - width : self._at], "big")


def _parse_places(body: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield (item number, offset, length) for each item that lies in one piece."""
    cursor = _Cursor(body)
    version = cursor.take(4) >> 24
    offset_width, length_width = divmod(cursor.take(1), 16)
    base_width, index_width = divmod(cursor.take(1), 16)
    for _ in range(cursor.take(4 if version == 2 else 2)):
        number = cursor.take(4 if version == 2 else 2)
        cursor.take(4 if version else 2)  # construction method, where there is one, and data reference
        base = cursor.take(base_width)
        extents = cursor.take(2)
        if extents == 1:
            cursor.take(index_width if version else 0)
            yield number, base + cursor.take(offset_width), cursor.take(length_width)
        else:
            cursor.take(extents * ((index_width if version else 0) + offset_width + length_width))
