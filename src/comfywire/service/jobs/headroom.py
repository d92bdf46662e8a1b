"""How far keys are from their limits, so that not every submission counts what waits."""

from __future__ import annotations

import time
from collections.abc import Callable
from uuid import UUID

__all__ = ["SLACK", "Headroom"]

SLACK = 128
"""Submissions that may be under way at once, in all processes: nobody sees the others'."""
PROCESSES = 16
"""How many may have counted at the same time: each takes its part of what they saw."""
GOOD_FOR = 1.0
"""Seconds for which a count counts."""
MOST_KEYS = 10_000


class Headroom:
    """What one process may submit without counting.

    A key's limit is exact, and to count ten thousand jobs takes tens of milliseconds. While fewer than half
    of them wait, a process that has counted may submit a sixteenth of what is left of that half, within a
    second, before it counts again: all together, that is not more than the other half.

    Args:
        clock: Seconds, as they pass.

    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left: dict[UUID, tuple[int, float]] = {}

    def take(self, key_id: UUID) -> bool:
        """Whether one more job of this key may be queued without counting."""
        left, until = self._left.get(key_id, (0, 0.0))
        if left <= 0 or self._clock() >= until:
            return False
        self._left[key_id] = left - 1, until
        return True

    def counted(self, key_id: UUID, spare: int) -> None:
        """So many more might wait before half of what may does."""
        if len(self._left) >= MOST_KEYS:
            self._left.clear()
        self._left[key_id] = spare // PROCESSES, self._clock() + GOOD_FOR
