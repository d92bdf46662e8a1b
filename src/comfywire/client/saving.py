"""Writing a file that appears under its name only when it is whole."""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

from .files.names import candidates
from .threads import in_thread

__all__ = ["PartFile", "Place", "write_whole"]

BUFFER_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file is to go.

    Attributes:
        path: The file itself, replaced if it is there; or a folder, which gets it under ``name``.
        name: What it is called in a folder, numbered if that is taken.
        is_folder: Which of them; None leaves it to the disk.

    """

    path: Path
    name: str
    is_folder: bool | None = None

    def target(self) -> tuple[Path, bool]:
        """Return the file, and whether one that is there is replaced. Asks the disk."""
        is_folder = self.path.is_dir() if self.is_folder is None else self.is_folder
        return (self.path / self.name, False) if is_folder else (self.path, True)


class PartFile:
    """A file on its way: written beside its place as ``.part``, then given its name.

    Leaving the context without :meth:`finish` removes it. File operations run in a thread.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._target = self._part = place.path
        self._replace = False
        self._file: BinaryIO | None = None
        self._buffer = bytearray()
        self.length = 0
        """Bytes received so far."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._file is not None:
            await in_thread(self._discard)

    async def write(self, chunk: bytes) -> None:
        """Append ``chunk``; small ones are gathered, so that little is asked of the disk at a time."""
        self._buffer += chunk
        self.length += len(chunk)
        if len(self._buffer) >= BUFFER_BYTES:
            await in_thread(self._flush)

    async def restart(self) -> None:
        """Forget what was written: the server has begun again from the start."""
        self._buffer.clear()
        self.length = 0
        if self._file is not None:
            await in_thread(self._empty)

    async def finish(self) -> Path:
        """Give the file its name; return the path, numbered if the name was taken."""
        return await in_thread(self._finish)

    def _flush(self) -> None:
        if self._file is None:
            self._target, self._replace = self._place.target()
            self._part = self._target.with_name(f".{uuid.uuid4().hex}.part")
            self._target.parent.mkdir(parents=True, exist_ok=True)
            # Exclusive: a symlink that waits under this name is not followed.
            self._file = self._part.open("xb")
        self._file.write(self._buffer)
        self._buffer.clear()

    def _empty(self) -> None:
        assert self._file is not None
        self._file.seek(0)
        self._file.truncate()

    def _finish(self) -> Path:
        self._flush()
        assert self._file is not None
        self._file.close()
        path = _place(self._part, self._target, replace=self._replace)
        self._file = None
        return path

    def _discard(self) -> None:
        assert self._file is not None
        try:
            self._file.close()  # a full disk may refuse even that
        finally:
            self._part.unlink(missing_ok=True)


async def write_whole(place: Place, content: bytes) -> Path:
    """Write ``content``; return the path, numbered if the name was taken."""
    async with PartFile(place) as file:
        for start in range(0, len(content), BUFFER_BYTES):  # in pieces: the buffer would be a second copy
            await file.write(content[start : start + BUFFER_BYTES])
        return await file.finish()


def _place(part: Path, target: Path, *, replace: bool) -> Path:
    if replace:
        part.replace(target)
        return target
    for path in candidates(target):
        try:
            os.link(part, path)  # unlike a rename, it fails if the name is taken, by a symlink too
        except FileExistsError:
            continue
        except OSError:  # a file system without links
            if os.path.lexists(path):
                continue
            part.rename(path)
            return path
        part.unlink()
        return path
    raise AssertionError("candidates do not end")
