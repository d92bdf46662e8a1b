"""JSON whose members are packed once each, and put together as one gzip body without packing again. Pure.

A history changes with each end of a job by one entry of two hundred. A part that ends with a full flush
refers to nothing before it (zlib's Z_FULL_FLUSH), so parts can stand in any order between a head and a tail.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

__all__ = ["PackedText", "joined"]

HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff"  # RFC 1952: deflate, no name, no time
LEVEL = 1


@dataclass(frozen=True, slots=True)
class PackedText:
    """A text, and the same packed so that it may stand anywhere."""

    plain: bytes
    packed: bytes

    @classmethod
    def of(cls, plain: bytes) -> Self:
        """Pack a text."""
        packer = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        return cls(plain, packer.compress(plain) + packer.flush(zlib.Z_FULL_FLUSH))

    @property
    def size(self) -> int:
        """How many bytes it takes."""
        return len(self.plain) + len(self.packed)


BEGIN, BETWEEN, END = PackedText.of(b"{"), PackedText.of(b", "), PackedText.of(b"}")
LAST = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS).flush(zlib.Z_FINISH)


def joined(members: Sequence[PackedText]) -> PackedText:
    """Return the JSON object of these members, plain and as a whole gzip body."""
    parts = [BEGIN]
    for member in members:
        parts += [member, BETWEEN]
    parts = [*(parts[:-1] if members else parts), END]
    plain = b"".join([part.plain for part in parts])
    tail = struct.pack("<II", zlib.crc32(plain), len(plain) & 0xFFFFFFFF)
    return PackedText(plain, b"".join([HEAD, *(part.packed for part in parts), LAST, tail]))
