"""How often a key may ask, over all processes, and how many streams it may have open, in each.

Requests are counted in the database, and only those of keys that have a limit. A stream costs its process a
socket and memory, so that a process's own count is the one that matters.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import UUID

from comfywire.errors import ComfywireError
from comfywire.service.access.keys import Caller
from comfywire.service.database.pool import Database
from comfywire.service.sql import queries

__all__ = ["RateLimited", "RateLimits", "StreamLimit", "TooManyStreams"]

SQL = queries("limits")
GOOD_FOR = 1.0
"""Seconds for which what a process has taken counts."""
MOST_KEYS = 10_000


class RateLimited(ComfywireError):
    """A key asks more often than it may.

    Attributes:
        per_minute: How often it may.
        retry_after: Seconds until it may again.

    """

    def __init__(self, per_minute: int, retry_after: float) -> None:
        self.per_minute = per_minute
        self.retry_after = retry_after
        super().__init__(
            f"this key may make {per_minute} requests a minute: try again in {retry_after:.1f} s"
        )


class RateLimits:
    """What the keys may still ask, of which this process takes a second's worth at a time.

    What a process has taken and not used within a second is lost to the key, so that a key may be refused a
    second's worth early for each process that it asks; it is never let in more often than it may.

    Args:
        database: Where it is counted.
        per_minute: For keys that have no limit of their own; None does not limit those.
        clock: Seconds, as they pass.

    """

    def __init__(
        self,
        database: Database,
        per_minute: int | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._per_minute = per_minute
        self._clock = clock
        self._taken: dict[UUID, _Taken] = {}

    async def take(self, caller: Caller) -> None:
        """Count one request of ``caller``.

        Raises:
            RateLimited: It is one too many; it is not counted.

        """
        per_minute = self._per_minute if caller.rate_per_minute is None else caller.rate_per_minute
        if per_minute is None:
            return
        known, now = self._taken.get(caller.key_id), self._clock()
        if known is None or now >= known.until or not (known.tokens or known.is_refused):
            known = await self._take_more(caller.key_id, per_minute)
        if known.tokens == 0:
            raise RateLimited(per_minute, max(known.until - now, 0.0))
        known.tokens -= 1

    async def _take_more(self, key_id: UUID, per_minute: int) -> _Taken:
        wanted = max(1, per_minute // 60)
        found = await self._database.one(
            SQL["take_tokens"], key_id=key_id, per_minute=per_minute, wanted=wanted
        )
        assert found is not None
        granted, now = int(found["granted"]), self._clock()
        # While there are none, nobody asks for more: who is refused costs no statement.
        wait = GOOD_FOR if granted else (1.0 - found["tokens"]) * 60.0 / per_minute
        others = self._taken.get(key_id)
        if others is not None and now < others.until:
            granted += others.tokens  # of a request that took some at the same time
        if len(self._taken) >= MOST_KEYS:
            self._taken.clear()
        self._taken[key_id] = taken = _Taken(granted, now + wait, is_refused=granted == 0)
        return taken


@dataclass(slots=True)
class _Taken:
    """Tokens that a process has: until when they count, or until when there are none."""

    tokens: int
    until: float
    is_refused: bool


class TooManyStreams(ComfywireError):
    """A key has as many streams of events open as it may."""

    code = "too_many_streams"
    http_status = 429
    retry_after = 5.0

    def __init__(self, most: int) -> None:
        super().__init__(
            f"this key has {most} streams of events open, the most that it may: close some first"
        )


class StreamLimit:
    """The streams of all keys, each of which costs memory and a socket for as long as it is open.

    Args:
        most: How many of one key may be open.

    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: Counter[UUID] = Counter()

    @contextlib.contextmanager
    def one(self, caller: Caller) -> Iterator[None]:
        """Count one stream of ``caller`` as long as the context is open.

        Raises:
            TooManyStreams: It is one too many.

        """
        if self._open[caller.key_id] >= self._most:
            raise TooManyStreams(self._most)
        self._open[caller.key_id] += 1
        try:
            yield
        finally:
            self._open[caller.key_id] -= 1
            if not self._open[caller.key_id]:
                del self._open[caller.key_id]
