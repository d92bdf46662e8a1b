"""What a crash left of bytes on their way into a store: found by its age, and removed."""

from __future__ import annotations

import contextlib
import math
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

__all__ = ["WAITING", "discard_in_store", "discard_waiting"]

WAITING = "comfywire-incoming-"
"""How the names of files begin that wait in the temporary folder on their way to an object store."""


def discard_waiting(before: float) -> int:
    """Remove what a crash left in the temporary folder on its way to an object store; return how many."""
    discarded = 0
    for path in Path(tempfile.gettempdir()).glob(f"{WAITING}*"):
        with contextlib.suppress(OSError):  # somebody else's, or gone by now
            if path.stat().st_mtime < before:
                path.unlink()
                discarded += 1
    return discarded


def discard_in_store(files: Any, folder: str, before: float) -> int:
    """Remove the files of a folder of fsspec's file system that were written before; return how many."""
    files.invalidate_cache()  # other processes write there, too
    if not files.exists(folder):
        return 0
    listed = files.ls(folder, detail=True)
    stale = [entry["name"] for entry in listed if _written_at(entry) < before]
    for path in stale:
        with contextlib.suppress(FileNotFoundError):
            files.rm_file(path)
    return len(stale)


def _written_at(entry: dict[str, Any]) -> float:
    """Return when the store says that a file was written; a file without a time is never old."""
    when = entry.get("mtime") or entry.get("LastModified") or entry.get("created")
    if isinstance(when, datetime):
        return when.timestamp()
    return float(when) if when is not None else math.inf
