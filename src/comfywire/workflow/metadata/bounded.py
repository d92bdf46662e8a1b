"""Reading files that nobody vouches for: every length checked, every loop counted.

The readers of this package are our own: no library among Comfywire's dependencies reads these fields, and
those that do (Pillow, PyAV, mutagen) decode pictures and sound as well, which is more code to trust and to
install than the few hundred lines here. Each reader yields what it finds as it finds it, so that a file cut
off behind its metadata still gives a workflow.
"""

from __future__ import annotations

import zlib
from typing import IO, TypeAlias

__all__ = ["MOST_BYTES", "BoundedFile", "MalformedFile", "Text", "decode"]

# A key and the text that a file has under it. Keys keep the spelling of the file.
Text: TypeAlias = tuple[str, str]

# A document with pictures pasted into it takes some ten megabytes. Parsed JSON can take twenty times its
# text's memory ("[[],[],[],"), so this is also what bounds the memory that a hostile file can claim.
MOST_BYTES = 32 << 20
_MOST_READ = 2 * MOST_BYTES
# Parts (chunks, boxes, pages, elements) in one file: a PNG of a gigabyte has 130,000 chunks of 8 KiB.
_MOST_PARTS = 200_000


class MalformedFile(Exception):
    """The file breaks its format's rules, or goes beyond what any real one does."""


class BoundedFile:
    """A seekable file that is never read beyond its end, nor endlessly.

    Attributes:
        size: In bytes.

    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.size = file.seek(0, 2)
        self._parts = 0
        self._read = 0
        self._unpacked = 0

    def at(self, offset: int, length: int) -> bytes:
        """Return ``length`` bytes from ``offset``.

        Raises:
            MalformedFile: The file ends before, or too much was asked for, at once or altogether.

        """
        self._parts += 1
        self._read += length
        if self._parts > _MOST_PARTS:
            raise MalformedFile(f"it has more than {_MOST_PARTS} parts")
        if length > MOST_BYTES or self._read > _MOST_READ:
            raise MalformedFile(f"it holds more than {MOST_BYTES >> 20} MiB where a workflow could be")
        if offset < 0 or length < 0 or offset + length > self.size:
            raise MalformedFile("it breaks off")
        self._file.seek(offset)
        return self._file.read(length)

    def inflate(self, compressed: bytes) -> bytes:
        """Return ``compressed``, a part of this file, decompressed.

        Raises:
            MalformedFile: It is not zlib's, or it and others before it unpack to too much.

        """
        stream = zlib.decompressobj()
        try:
            plain = stream.decompress(compressed, MOST_BYTES)
        except zlib.error as error:
            raise MalformedFile(f"its compressed text cannot be read: {error}") from error
        self._unpacked += len(plain)
        if stream.unconsumed_tail or self._unpacked > _MOST_READ:
            raise MalformedFile(f"its texts unpack to more than {MOST_BYTES >> 20} MiB")
        return plain


def decode(text: bytes) -> str:
    """Return ``text``, UTF-8 if it can be and Latin-1 if not, without the NULs that may end it."""
    try:
        return text.decode("utf-8").rstrip("\0")
    except UnicodeDecodeError:
        return text.decode("latin-1").rstrip("\0")
