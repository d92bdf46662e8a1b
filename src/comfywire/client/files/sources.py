"""What can be uploaded: paths, bytes, open files, pictures, arrays; opened, named and measured."""

from __future__ import annotations

import hashlib
import inspect
import io
import os
import re
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast, runtime_checkable

from .arrays import Array, png_of
from .suffixes import HEAD_BYTES, suffix_of

__all__ = ["Opened", "PillowPicture", "UploadSource", "is_source", "local_path", "open_source"]

SUFFIX = re.compile(r"\.[A-Za-z0-9_+-]{1,12}\Z")
"""What of a name is kept beside a hash."""
CHUNK_BYTES = 1 << 20


@runtime_checkable
class PillowPicture(Protocol):
    """A Pillow picture, without importing Pillow."""

    mode: str
    size: tuple[int, int]

    def save(self, fp: Any, format: str) -> None:  # noqa: A002 (Pillow's word)
        """Write it."""


UploadSource = str | Path | bytes | bytearray | memoryview | BinaryIO | PillowPicture | Array
"""A path (``~`` is your home), the bytes themselves, an open binary file, a Pillow picture, or a NumPy array
(height, width, channels); the last two are sent as PNG."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A source that is being read.

    Attributes:
        stream: From where it stood; it can go back there.
        start: Where that is.
        name: Its own name; empty if it has none.
        is_ours: Whether it was opened here.

    """

    stream: BinaryIO
    start: int
    name: str
    is_ours: bool

    def measure(self) -> tuple[str, int]:
        """Return the hash (SHA-256) and the length of what is still to be read, and go back."""
        digest, length = hashlib.sha256(), 0
        while chunk := self.stream.read(CHUNK_BYTES):
            digest.update(chunk)
            length += len(chunk)
        self.rewind()
        return digest.hexdigest(), length

    def rewind(self) -> None:
        """Go back to where it stood."""
        self.stream.seek(self.start)

    def close(self) -> None:
        """Close it; what was open before stays open, and stands where it stood."""
        if self.is_ours:
            self.stream.close()
        else:
            self.rewind()

    def suffix(self) -> str:
        """Return its name's suffix, or that of what it holds."""
        own = SUFFIX.search(self.name)
        if own is not None:
            return own[0].lower()
        head = self.stream.read(HEAD_BYTES)
        self.rewind()
        return suffix_of(head)


def open_source(source: UploadSource) -> Opened:
    """Open ``source``; :meth:`Opened.close` when it has been read.

    Raises:
        OSError: A path cannot be read.
        TypeError, ValueError: It is nothing that can be uploaded.

    """
    stream, name = _open(source)
    is_ours = stream is not source
    if not (hasattr(stream, "seekable") and stream.seekable()):
        # A pipe, or a response: it can be read once, and is read twice here.
        stream, is_ours = BytesIO(stream.read()), True
    return Opened(stream, stream.tell(), name, is_ours)


def is_source(value: Any) -> bool:
    """Whether ``value`` is something to upload, a text apart, which may be a path or a name."""
    if isinstance(value, bytes | bytearray | memoryview | os.PathLike | PillowPicture | Array):
        return not (isinstance(value, Array) and value.shape == ())
    return hasattr(value, "read")


def local_path(path: str | os.PathLike[str]) -> Path:
    """Return where ``path`` leads; ``~`` at its beginning is the home folder, unless a file is called so."""
    found = Path(path)
    if not str(path).startswith("~") or os.path.lexists(found):
        return found
    try:
        return found.expanduser()
    except RuntimeError:  # nobody of that name has a home
        return found


def _open(source: Any) -> tuple[BinaryIO, str]:
    if isinstance(source, bytes | bytearray | memoryview):
        return BytesIO(source), ""
    if isinstance(source, str | os.PathLike):
        path = local_path(source)
        return path.open("rb"), path.name
    if isinstance(source, PillowPicture):
        encoded = BytesIO()
        source.save(encoded, format="PNG")
        return BytesIO(encoded.getvalue()), ""
    if isinstance(source, Array):
        return BytesIO(png_of(source)), ""
    if isinstance(source, io.TextIOBase):
        raise TypeError(f"{source!r} is open as text, which changes its bytes: open it with mode 'rb'")
    if not hasattr(source, "read") or inspect.iscoroutinefunction(source.read):
        raise TypeError(
            "a file is given as a path, bytes, an open binary file, a Pillow picture or a NumPy array, "
            f"not as a {type(source).__name__}"
        )
    name = getattr(source, "name", None)  # a number, or None, where the file was not opened by name
    return cast("BinaryIO", source), Path(name).name if isinstance(name, str) else ""
