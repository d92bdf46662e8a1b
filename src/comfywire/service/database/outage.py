"""An outage of the database: what it is, who is told of it, and what the log says.

The log has it once, every half minute while it lasts, and its end. All of a process finds an outage out
at once, and whoever reads the log has to find in it what else has happened meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine
from math import inf
from typing import Any, TypeVar

import psycopg
from psycopg_pool import PoolTimeout

__all__ = ["AWAY", "DatabaseAway", "Outage", "is_suspicious"]

T = TypeVar("T")
AWAY = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.ReadOnlySqlTransaction)
"""What psycopg raises while the database is away, or is one that takes no writes: the only list of it.

Whoever answers requests says 503, whoever works tries again.
"""
NO_OUTAGE = (psycopg.errors.TransactionRollback, psycopg.errors.QueryCanceled, PoolTimeout)
"""What it raises under the same heading when statements are in each other's way, or are too many."""


def is_suspicious(error: Exception) -> bool:
    """Whether the database may be away, after ``error``: somebody has to try."""
    return isinstance(error, AWAY) and not isinstance(error, NO_OUTAGE)


class DatabaseAway(psycopg.OperationalError):
    """The database is known to be away: nothing was asked."""

    def __init__(self) -> None:
        super().__init__("the database is away")


class Outage:
    """What one process knows of its database's being away.

    Args:
        tell_every: Seconds between two lines in the log.

    Attributes:
        is_on: Whether it is away, or has seemed so and is being tried.

    """

    def __init__(self, *, tell_every: float = 30.0) -> None:
        self.is_on = False
        self._tell_every = tell_every
        self._is_told = False
        self._told_at = -inf
        self._waiting: set[asyncio.Timeout] = set()
        self._log = logging.getLogger("comfywire.service")

    async def unless_on(self, waiting: Coroutine[Any, Any, T]) -> T:
        """Return what ``waiting`` for a connection comes to, as long as there is no outage.

        Raises:
            DatabaseAway: There is one, or it has begun meanwhile.

        """
        if self.is_on:
            waiting.close()
            raise DatabaseAway
        limit = asyncio.timeout(None)
        try:
            async with limit:
                self._waiting.add(limit)
                return await waiting
        except TimeoutError as error:
            raise DatabaseAway from error
        finally:
            self._waiting.discard(limit)

    def begins(self) -> bool:
        """The database seems to be away: whoever waits for it need not; False if that was known."""
        if self.is_on:
            return False
        self.is_on = True
        now = asyncio.get_running_loop().time()
        for limit in self._waiting:
            limit.reschedule(now)
        return True

    def goes_on(self, error: Exception) -> None:
        """The database was tried, and is away."""
        if (now := time.monotonic()) - self._told_at < self._tell_every:
            return
        self._is_told, self._told_at = True, now
        words = str(error).strip().partition("\n")[0]
        self._log.warning("the database is away, trying again: %s", words)

    def is_over(self) -> None:
        """The database takes writes."""
        self.is_on = False
        if self._is_told:
            self._is_told = False
            self._log.warning("the database is back")
