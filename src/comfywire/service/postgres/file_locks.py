"""Locks on files, which the kernel drops with the process that holds them, however that ends."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

if sys.platform != "win32":
    import fcntl

__all__ = ["lock", "lock_at_once", "locked", "nobody_else_has"]


def lock(path: Path, *, exclusive: bool) -> int:
    """Wait for a lock, alone or with others; return the open file that holds it until it is closed."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
    except BaseException:
        os.close(file)
        raise
    return file


def lock_at_once(path: Path) -> int | None:
    """Take a lock alone; return the open file that holds it until it is closed, None if it is taken."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if nobody_else_has(file):
        return file
    os.close(file)
    return None


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock alone."""
    file = lock(path, exclusive=True)
    try:
        yield
    finally:
        os.close(file)


def nobody_else_has(file: int) -> bool:
    """Whether nobody else holds a lock that is shared; if so, it is held alone from here on."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
