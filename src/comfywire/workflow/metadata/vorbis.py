"""Vorbis comments in FLAC and Ogg (Opus, Vorbis, FLAC): ``KEY=value`` texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfywire.workflow.metadata.bounded import MOST_BYTES, MalformedFile, decode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from comfywire.workflow.metadata.bounded import BoundedFile, Text

__all__ = ["read_flac", "read_ogg"]

_COMMENTS = 4  # the type of the FLAC metadata block that has them
# How the packet with the comments begins, by how the first packet of the stream begins.
_CODECS = {
    b"OpusHead": b"OpusTags",
    b"\x01vorbis": b"\x03vorbis",
    b"\x7fFLAC": b"",  # a FLAC metadata block: four bytes of header, then the comments
    b"\x80theora": b"\x81theora",
    b"Speex   ": b"",
}
_MOST_PAGES = 20_000
_MOST_COMMENTS = 100_000


def read_flac(file: BoundedFile) -> Iterator[Text]:
    """Yield the comments of a FLAC file.

    Raises:
        MalformedFile: It is damaged.

    """
    offset, is_last = 4, False
    while not is_last:
        header = file.at(offset, 4)
        is_last, kind = bool(header[0] & 0x80), header[0] & 0x7F
        length = int.from_bytes(header[1:], "big")
        if kind == _COMMENTS:
            yield from _parse_comments(file.at(offset + 4, length))
        offset += 4 + length


def read_ogg(file: BoundedFile) -> Iterator[Text]:
    """Yield the comments of the streams in an Ogg file.

    Raises:
        MalformedFile: It is damaged.

    """
    waiting: dict[int, tuple[bytes, bytearray]] = {}  # stream -> (how its comments begin, what came of them)
    for serial, is_first, parts in _pages(file):
        if is_first:
            start = next((tags for head, tags in _CODECS.items() if parts[0][0].startswith(head)), None)
            if start is not None and len(waiting) < 16:
                waiting[serial] = (start, bytearray())
        elif serial in waiting:
            start, packet = waiting[serial]
            part, is_whole = parts[0]
            packet += part
            if len(packet) > MOST_BYTES:
                raise MalformedFile(f"its comments take more than {MOST_BYTES >> 20} MiB")
            if is_whole:
                del waiting[serial]
                yield from _read_packet(start, bytes(packet))
        if not waiting:
            return


def _read_packet(start: bytes, packet: bytes) -> Iterator[Text]:
    skipped = len(start) or (4 if packet[:1] in {b"\x04", b"\x84"} else 0)
    if not packet.startswith(start):
        raise MalformedFile("it has something else where its comments belong")
    return _parse_comments(packet[skipped:])


def _pages(file: BoundedFile) -> Iterator[tuple[int, bool, list[tuple[bytes, bool]]]]:
    """Yield (stream, whether it begins here, [(part of a packet, whether it ends here)]) for each page."""
    offset = 0
    for _ in range(_MOST_PAGES):
        if offset >= file.size:
            return
        header = file.at(offset, 27)
        if header[:4] != b"OggS":
            raise MalformedFile("it has no page where one belongs")
        table = file.at(offset + 27, header[26])
        body = file.at(offset + 27 + len(table), sum(table))
        yield int.from_bytes(header[14:18], "little"), bool(header[5] & 2), _parts(table, body)
        offset += 27 + len(table) + len(body)


def _parts(table: bytes, body: bytes) -> list[tuple[bytes, bool]]:
    parts, start, length = [], 0, 0
    for size in table:
        length += size
        if size < 255:  # a packet is as many pieces of 255 bytes as it fills, and one that is shorter
            parts.append((body[start : start + length], True))
            start, length = start + length, 0
    if length or not parts:
        parts.append((body[start:], False))
    return parts


def _parse_comments(block: bytes) -> Iterator[Text]:
    _vendor, offset = _take(block, 0)
    count = int.from_bytes(block[offset : offset + 4], "little")
    offset += 4
    for _ in range(min(count, _MOST_COMMENTS)):
        comment, offset = _take(block, offset)
        key, _, text = decode(comment).partition("=")
        yield key, text


def _take(block: bytes, offset: int) -> tuple[bytes, int]:
    length = int.from_bytes(block[offset : offset + 4], "little")
    after = offset + 4 + length
    if after > len(block):
        raise MalformedFile("its comments break off")
    return block[offset + 4 : after], after
