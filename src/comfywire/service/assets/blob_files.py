"""Files on this machine: hashed where they are, and moved to their place in a store that is a folder."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from blake3 import blake3

__all__ = ["hashed", "make_folder", "moved"]

CHUNK = 1 << 20


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it that are missing, for this account alone; others stay as they are."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    try:
        folder.mkdir(mode=0o700, exist_ok=True)  # another thread or process may have made it by now
    except FileExistsError:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)) from None


def hashed(path: Path) -> tuple[str, int]:
    """Return the BLAKE3 of a file, hex, and its size; from then on the file survives a loss of power."""
    digest, size = blake3(), 0
    with path.open("r+b") as file:  # opened to write: some systems sync no other files
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
        os.fsync(file.fileno())
    return digest.hexdigest(), size


def moved(source: Path, target: Path) -> None:
    """Move a file to its place in one step; where equal bytes are there already, the file is removed."""
    if target.exists():
        source.unlink(missing_ok=True)
        return
    try:
        source.replace(target)
    except FileNotFoundError:
        make_folder(target.parent)
        source.replace(target)
