"""A bound on this process's memory: a workflow that wants a huge picture fails alone."""

from __future__ import annotations

import contextlib
from pathlib import Path

__all__ = ["bound_memory"]

MEMORY_NOW = Path("/proc/self/status")


def bound_memory(more_bytes: int) -> bool:
    """Let this process have ``more_bytes`` more than it has; a node that wants more gets a MemoryError.

    It cannot be taken back by less than a new process, so this is for programs, not for tests.

    Returns:
        Whether the system can do that; Linux can.

    """
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource  # noqa: PLC0415 - it is not on every system

        # What a process writes to, not what it maps: libraries reserve addresses by the gigabyte.
        limit, maximum = _data_bytes() + more_bytes, resource.getrlimit(resource.RLIMIT_DATA)[1]
        resource.setrlimit(resource.RLIMIT_DATA, (limit, maximum))
        return True
    return False


def _data_bytes() -> int:
    fields = dict(line.partition(":")[::2] for line in MEMORY_NOW.read_text(encoding="ascii").splitlines())
    return int(fields["VmData"].split()[0]) * 1024
