"""How often a key may ask (a bucket of tokens each), and how many streams it may have: in this process alone.

With several processes behind a load balancer a key may ask as often in each of them: counting together would
cost every request a write to the database.
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

__all__ = ["Bucket", "RateLimited", "RateLimits", "StreamLimit", "TooManyStreams"]


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


@dataclass(frozen=True, slots=True)
class Bucket:
    """Tokens, one for each request: a minute's worth at most, and refilled evenly.

    Attributes:
        tokens: How many there were.
        at: When, in seconds.

    """

    tokens: float
    at: float

    def refilled(self, per_minute: int, now: float) -> Bucket:
        """Return the bucket as it is ``now``."""
        return Bucket(min(per_minute, self.tokens + (now - self.at) * per_minute / 60.0), now)


class RateLimits:
    """The buckets of all keys that were seen.

    Args:
        per_minute: For keys that have no limit of their own; None does not limit those.
        clock: Seconds.

    """

    def __init__(self, per_minute: int | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._buckets: dict[UUID, Bucket] = {}

    def take(self, caller: Caller) -> None:
        """Count one request of ``caller``.

        Raises:
            RateLimited: It is one too many; it is not counted.

        """
        per_minute = self._per_minute if caller.rate_per_minute is None else caller.rate_per_minute
        if per_minute is None:
            return
        now = self._clock()
        bucket = self._buckets.get(caller.key_id, Bucket(per_minute, now)).refilled(per_minute, now)
        if bucket.tokens < 1.0:
            raise RateLimited(per_minute, (1.0 - bucket.tokens) * 60.0 / per_minute)
        self._buckets[caller.key_id] = Bucket(bucket.tokens - 1.0, now)


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
