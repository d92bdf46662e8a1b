"""A worker's place among the workers: its number, its heartbeat, and when it may call others dead."""

from __future__ import annotations

import asyncio
import logging
import time
from math import inf

from comfywire.service.database.outage import AWAY
from comfywire.service.jobs.engine import Queue
from comfywire.service.jobs.leases import patiently

__all__ = ["Membership"]

BEATS = 4
"""Heartbeats in the time after which a worker that is not heard of counts as dead."""
log = logging.getLogger("comfywire.service")


class Membership:
    """One worker, as the engine knows it.

    Args:
        queue: The engine.
        name: The worker's, for the log.
        stalled_after: Seconds without a heartbeat after which it counts as dead.

    Attributes:
        number: The engine's for it; 0 before it has joined.
        beat_every: Seconds between heartbeats.

    """

    def __init__(self, queue: Queue, name: str, stalled_after: float) -> None:
        self.number = 0
        self.beat_every = stalled_after / BEATS
        self._queue = queue
        self._name = name
        self._stalled_after = stalled_after
        self._last_beat = -inf
        self._beating_since = inf

    async def join(self) -> None:
        """Get a number: the first, or a new one for a worker that was taken for dead."""
        if self.number:
            log.warning("worker %s was taken for dead, and begins anew", self._name)
        self.number = await patiently(self._queue.register)

    async def beat(self) -> None:
        """Say that the worker is alive, for ever; cancelling ends it."""
        while True:
            began = time.monotonic()
            try:
                if not await self._queue.beat(self.number):
                    await self.join()
                # Since when it has been heard without a gap: for as long as that, others could be, too.
                if self._beating_since == inf or began - self._last_beat > self._stalled_after:
                    self._beating_since = began
                self._last_beat = began
            except AWAY:
                self._beating_since = inf
            await asyncio.sleep(self.beat_every)

    @property
    def is_fresh(self) -> bool:
        """Whether the worker was heard of lately; a process that was frozen may have lost its jobs meanwhile.

        The clock goes on while a process is stopped (CLOCK_MONOTONIC).
        """
        return time.monotonic() - self._last_beat <= self._stalled_after - self.beat_every

    @property
    def may_judge(self) -> bool:
        """Whether the worker may call others dead: after an outage, once they could be heard of again."""
        return time.monotonic() - self._beating_since > self._stalled_after
