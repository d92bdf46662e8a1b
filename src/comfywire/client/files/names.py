"""Names that a server gave, made safe to write to: inside the folder, on every platform."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from comfywire.errors import UnsafeName

__all__ = ["candidates", "safe_folder", "safe_name"]

LONGEST_BYTES = 200
"""File systems take 255 bytes; ours leaves room for a number and for ``.part``."""
# Windows reserves these, whatever follows the first dot.
PORTS = [f"{port}{number}" for port in ("com", "lpt") for number in "123456789¹²³"]
DEVICES = frozenset(["con", "conin$", "conout$", "prn", "aux", "nul", *PORTS])
FORBIDDEN = frozenset('<>:"|?*')


def safe_name(name: str) -> str:
    """Return the last part of ``name`` in a form that is a plain file name everywhere.

    Raises:
        UnsafeName: Nothing is left of it.

    """
    last = PurePosixPath(name.replace("\\", "/").rstrip("/")).name
    kept = "".join("_" if mark in FORBIDDEN else mark for mark in last if not _is_unseen(mark))
    kept = kept.strip().rstrip(". ")
    if not kept or set(kept) <= {".", "_"}:
        raise UnsafeName(f"the server named a file {name!r}, which leaves no name to save it under")
    if kept.split(".", 1)[0].strip().lower() in DEVICES:
        kept = f"_{kept}"
    return _shortened(kept)


def _is_unseen(mark: str) -> bool:
    """Control characters, line ends, and format characters such as the right-to-left override."""
    return unicodedata.category(mark) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")


def _shortened(name: str) -> str:
    if len(name.encode()) <= LONGEST_BYTES:
        return name
    stem, dot, suffix = name.rpartition(".")
    if not stem or len(suffix.encode()) > 20:
        stem, dot, suffix = name, "", ""
    room = LONGEST_BYTES - len((dot + suffix).encode())
    return stem.encode()[:room].decode(errors="ignore").rstrip(". ") + dot + suffix


def safe_folder(folder: Path, subfolder: str) -> Path:
    """Return where in ``folder`` files of ``subfolder`` go; never through a symlink, never outside."""
    inside = folder
    for part in subfolder.replace("\\", "/").split("/"):
        try:
            inside = inside / safe_name(part)
        except UnsafeName:
            continue  # "", "." and ".." lead nowhere
        if inside.is_symlink():
            return folder
    return inside


def candidates(path: Path) -> Iterator[Path]:
    """Yield ``name.png``, ``name (1).png``, ``name (2).png``, ... without end."""
    yield path
    number = 1
    while True:
        yield path.with_name(f"{path.stem} ({number}){path.suffix}")
        number += 1
