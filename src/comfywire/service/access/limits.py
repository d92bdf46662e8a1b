"""How many requests a key may make, over all processes, and how many streams it may have open, in each.

The database counts the requests of all processes, and only those of keys that have a limit. Streams are
counted by each process alone, since a stream costs a socket and memory of the process that serves it.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import UUID

from comfywire.errors import ComfywireError
from comfywire.service.access.callers import Caller
from comfywire.service.database.pool import Database
from comfywire.service.sql import queries

__all__ = ["RateLimited", "RateLimits", "StreamLimit", "TooManyStreams"]

SQL = queries("limits")
GOOD_FOR = 1.0
"""Seconds in which a process may use the tokens that it has taken."""
MOST_KEYS = 10_000
"""Keys whose tokens a process remembers; beyond that it forgets all of them, and takes new ones."""


class RateLimited(ComfywireError):
    """A key makes more requests than it may.

    Attributes:
        per_minute: How many requests the key may make a minute.
        retry_after: Seconds until the key may make the next one.

    """

    def __init__(self, per_minute: int, retry_after: float) -> None:
        self.per_minute = per_minute
        self.retry_after = retry_after
        super().__init__(
            f"this key may make {per_minute} requests a minute: try again in {retry_after:.1f} s"
        )


class RateLimits:
    """The requests that keys may still make: tokens, of which this process takes a second's worth at a time.

    The tokens that a process has taken and not used within a second are lost to the key. So a key may be
    refused early, by a second's worth for each process that it asks; no key makes more requests than it may.

    Args:
        database: Counts the tokens of all processes.
        per_minute: The limit of keys that have none of their own; None does not limit those.
        clock: Seconds, for how long taken tokens count.

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
            RateLimited: The request is one too many, and is not counted.

        """
        per_minute = self._per_minute if caller.rate_per_minute is None else caller.rate_per_minute
        if per_minute is None:
            return
        taken, now = self._taken.get(caller.key_id), self._clock()
        if taken is None or now >= taken.until or not (taken.tokens or taken.is_refused):
            taken = await self._take_more(caller.key_id, per_minute)
        if taken.tokens == 0:
            raise RateLimited(per_minute, max(taken.until - self._clock(), 0.0))
        taken.tokens -= 1

    async def _take_more(self, key_id: UUID, per_minute: int) -> _Taken:
        wanted = max(1, per_minute // 60)
        rate = await self._database.one(
            SQL["take_tokens"], key_id=key_id, per_minute=per_minute, wanted=wanted
        )
        assert rate is not None
        granted, now = int(rate["granted"]), self._clock()
        # Until the next token is there, the database would grant nothing: this process refuses the key's
        # requests by itself until then, and a client that hammers costs no statements.
        wait = GOOD_FOR if granted else (1.0 - rate["tokens"]) * 60.0 / per_minute
        others = self._taken.get(key_id)
        if others is not None and now < others.until:
            granted += others.tokens  # another request of the key took tokens while we waited: they add up
        if len(self._taken) >= MOST_KEYS:
            self._taken.clear()
        self._taken[key_id] = taken = _Taken(granted, now + wait, is_refused=granted == 0)
        return taken


@dataclass(slots=True)
class _Taken:
    """The tokens that a process has taken, and until when they count; or until when the key is refused."""

    tokens: int
    until: float
    is_refused: bool


class TooManyStreams(ComfywireError):
    """A key has as many streams of events open in this process as it may."""

    code = "too_many_streams"
    http_status = 429
    retry_after = 5.0

    def __init__(self, most: int) -> None:
        super().__init__(
            f"this key has {most} streams of events open, the most that it may: close some first"
        )


class StreamLimit:
    """The open streams of every key; each stream costs the process memory and a socket until it is closed.

    Args:
        most: How many streams one key may have open.

    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: Counter[UUID] = Counter()

    @contextlib.contextmanager
    def one(self, caller: Caller) -> Iterator[None]:
        """Count one stream of ``caller`` as long as the context is open.

        Raises:
            TooManyStreams: ``caller`` has as many open as it may.

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
