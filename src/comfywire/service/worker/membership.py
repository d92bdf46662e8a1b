"""A worker's place among the workers: its number, its heartbeat, and which of the others it may call dead."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from math import inf

from comfywire.service.database.outage import AWAY, patiently
from comfywire.service.jobs.engine import Queue

__all__ = ["Membership", "Silence"]

BEATS = 4
"""Heartbeats in the time after which a worker that is not heard of counts as dead."""
BEATS_TO_COME_BACK = 2
"""Heartbeats after an outage of the database until silence counts again: others have to come back, too."""
log = logging.getLogger("comfywire.service")


class Silence:
    """For how long each worker was silent while it could have been heard: told, and asked, with the time.

    Outages of the database are left out, and what lies between them counts together: an outage may come again
    and again, and what dead workers had would wait for the end of that.

    Args:
        enough: Seconds of silence after which a worker counts as dead.

    """

    def __init__(self, enough: float) -> None:
        self._enough = enough
        self._last = -inf
        self._to_come_back = 0
        self._listened = 0.0
        self._heard: dict[int, tuple[float, float]] = {}

    def was_away(self) -> None:
        """The database was asked, and is away."""
        self._to_come_back = BEATS_TO_COME_BACK

    def heard(self, workers: Mapping[int, float], now: float) -> None:
        """The database says when it last heard of each worker, by its own clock."""
        before, apart = self._listened, now - self._last
        if self._to_come_back:
            self._to_come_back -= 1
        elif apart <= self._enough:  # else this process stood still, and heard nobody
            self._listened += apart
        self._heard = {
            number: self._heard[number] if self._heard.get(number, (None,))[0] == at else (at, before)
            for number, at in workers.items()
        }
        self._last = now

    def dead(self, now: float) -> list[int]:
        """Return the workers that were silent for so long that they may be called dead."""
        if self._to_come_back:
            return []
        listened = self._listened + min(now - self._last, self._enough / BEATS)
        return [number for number, (_, since) in self._heard.items() if listened - since > self._enough]


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
        self._silence = Silence(stalled_after)

    async def join(self) -> None:
        """Get a number: the first, or a new one for a worker that was taken for dead.

        No job has killed it, though some may count that: it was frozen, or had no way to the database.
        """
        if self.number:
            log.warning("worker %s was taken for dead, and begins anew", self._name)
            await patiently(lambda: self._queue.spare(self._name))
        self.number = await patiently(lambda: self._queue.register(self._name))

    async def beat(self) -> None:
        """Say that the worker is alive, and hear of the others, for ever; cancelling ends it."""
        while True:
            began = time.monotonic()
            try:
                workers = await self._queue.beat(self.number)
                if workers is None:
                    await self.join()
                else:
                    self._silence.heard(workers, began)
                self._last_beat = began
            except AWAY:
                self._silence.was_away()
            await asyncio.sleep(self.beat_every)

    @property
    def is_fresh(self) -> bool:
        """Whether the worker was heard of lately; a process that was frozen may have lost its jobs meanwhile.

        The clock goes on while a process is stopped (CLOCK_MONOTONIC).
        """
        return time.monotonic() - self._last_beat <= self._stalled_after - self.beat_every

    @property
    def silent(self) -> list[int]:
        """The workers that may be called dead: none was heard for long enough while all could be."""
        return self._silence.dead(time.monotonic())
