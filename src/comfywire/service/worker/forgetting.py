"""The folder that a job had on its ComfyUI, taken out of the files that it made.

ComfyUI writes the prompt as it ran into what it saves: `"filename_prefix": "FOLDER/x"`. Who opens such a file
in the editor is to find what was asked for. Bytes are changed where they stand, and none is added: in JSON
there may be spaces after a text.
"""

from __future__ import annotations

import mmap
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from comfywire.service.jobs.output_folders import FOLDER, MENTIONED

__all__ = ["forget_folders", "forget_in_text"]

Span = tuple[int, int]
TAGS = b"\x12\x54\xc3\x67"
"""The element of a Matroska file that has its tags."""
NAMED = re.compile(rb"%s/" % FOLDER.encode())
AT_AN_END = 16 << 20
"""Bytes at either end of a file in which its metadata is."""
MENTION = re.compile(MENTIONED.pattern.encode())
LONGEST_MENTION = 64
PIECE = 1 << 20
"""Bytes of a text that are looked at together."""
QUOTED = re.compile(rb'"%s/(?:[^"\\\x00]++|\\.)*+"' % FOLDER.encode())
"""A text in JSON that begins with the folder of a job."""
QUOTED_INSIDE = re.compile(rb'\\"%s/(?:[^"\\\x00]|\\\\(?:\\.|[^"\\]))*\\"' % FOLDER.encode())
"""The same in JSON that is a text of other JSON, as safetensors have it."""


def forget_folders(path: Path) -> None:
    """Take the folders of jobs out of the metadata of a file, which stays as long as it is."""
    if path.stat().st_size == 0:
        return  # nothing can be mapped
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as content:
        spans = _found(content)
        for start, end in spans:
            _take_out(content, start, end)
        for magic, renew in RENEWERS.items():
            if spans and content[: len(magic)] == magic:
                renew(content, spans)


def forget_in_text(path: Path) -> None:
    """Take the folders of jobs out of a file of text, wherever they are mentioned; it may be gigabytes."""
    less = path.with_name(f"{path.name}.less")
    try:
        with path.open("rb") as source, less.open("wb") as target:
            target.writelines(_without_mentions(source))
        less.replace(path)
    finally:
        less.unlink(missing_ok=True)


def _without_mentions(source: BinaryIO) -> Iterator[bytes]:
    """Yield a text in pieces; what may be the beginning of a mention waits for the next piece."""
    rest = b""
    while piece := source.read(PIECE):
        text = rest + piece
        cut = max(len(text) - LONGEST_MENTION, 0)
        for match in MENTION.finditer(text):
            if match.start() < cut <= match.end():
                cut = match.start()
        yield MENTION.sub(b"", text[:cut])
        rest = text[cut:]
    yield MENTION.sub(b"", rest)


def _found(content: mmap.mmap) -> list[Span]:
    """Return where texts that begin with a folder are, with their quotes, the last one at the end."""
    size = len(content)
    ends = ((0, min(AT_AN_END, size)), (max(size - AT_AN_END, 0), size))
    places = {match.start() for start, end in ends for match in NAMED.finditer(content, start, end)}
    found = [
        QUOTED_INSIDE.match(content, place - 2) or QUOTED.match(content, place - 1)
        for place in sorted(places)
    ]
    return [match.span() for match in found if match]


def _take_out(content: mmap.mmap, start: int, end: int) -> None:
    text = content[start:end]
    first, length = text.index(b'"') + 1, len("cw/") + 30
    content[start:end] = text[:first] + text[first + length :] + b" " * length


def _renew_png(content: mmap.mmap, spans: list[Span]) -> None:
    place, end = 8, spans[-1][1]
    while place < end and place + 12 <= len(content):
        after = place + 8 + int.from_bytes(content[place : place + 4])
        if _is_in(spans, place, after) and after + 4 <= len(content):
            content[after : after + 4] = zlib.crc32(content[place + 4 : after]).to_bytes(4)
        place = after + 4


def _renew_ogg(content: mmap.mmap, spans: list[Span]) -> None:
    place, end = 0, spans[-1][1]
    while place < end and place + 27 <= len(content) and content[place : place + 4] == b"OggS":
        lengths = content[place + 27 : place + 27 + content[place + 26]]
        after = place + 27 + len(lengths) + sum(lengths)
        if _is_in(spans, place, after):
            content[place + 22 : place + 26] = bytes(4)
            content[place + 22 : place + 26] = ogg_checksum(content[place:after]).to_bytes(4, "little")
        place = after


def _renew_matroska(content: mmap.mmap, spans: list[Span]) -> None:
    """Renew the checksum that FFmpeg puts first into the tags."""
    place = content.rfind(TAGS, 0, spans[-1][1])
    if place == -1 or place + 4 == len(content):
        return
    width = 9 - content[place + 4].bit_length()  # of the size, by how many zeros it begins with
    begin = place + 4 + width
    size = int.from_bytes(content[place + 4 : begin]) & ((1 << 7 * width) - 1)
    if content[begin : begin + 2] == b"\xbf\x84" and 6 <= size <= len(content) - begin:
        checksum = zlib.crc32(content[begin + 6 : begin + size])
        content[begin + 2 : begin + 6] = checksum.to_bytes(4, "little")


def ogg_checksum(page: bytes) -> int:
    """Return the checksum of a page (RFC 3533): a CRC-32 of bits in the other order than zlib's."""
    checksum = 0
    for byte in page:
        checksum = (checksum << 8) & 0xFFFFFFFF ^ OGG_TABLE[(checksum >> 24) ^ byte]
    return checksum


def _ogg_entry(byte: int) -> int:
    entry = byte << 24
    for _ in range(8):
        entry = (entry << 1) & 0xFFFFFFFF ^ (0x04C11DB7 if entry >> 31 else 0)
    return entry


def _is_in(spans: list[Span], start: int, end: int) -> bool:
    return any(start < last and first < end for first, last in spans)


OGG_TABLE = [_ogg_entry(byte) for byte in range(256)]
RENEWERS: Mapping[bytes, Callable[[mmap.mmap, list[Span]], None]] = {
    b"\x89PNG\r\n\x1a\n": _renew_png,
    b"OggS": _renew_ogg,
    b"\x1aE\xdf\xa3": _renew_matroska,
}
"""What makes the checksums of a format right again, by how its files begin."""
