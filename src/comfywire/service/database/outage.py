"""An outage of the database, as the log tells it: once, every half minute while it lasts, and its end.

Everything in a process finds it out at once, and tries again twice a second: whoever reads the log has to
find in it what else has happened meanwhile.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator
from math import inf

import psycopg
from psycopg_pool import PoolTimeout

__all__ = ["AWAY", "Outage"]

AWAY = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.ReadOnlySqlTransaction, PoolTimeout)
"""What psycopg raises while the database is away, or another one is about to take over from it."""
BETWEEN_STATEMENTS = (psycopg.errors.LockNotAvailable, psycopg.errors.TransactionRollback)
"""What it raises under the same heading when two statements are in each other's way."""
TELL_EVERY = 30.0
log = logging.getLogger("comfywire.service")


class Outage:
    """What one process knows of its database's being away."""

    def __init__(self) -> None:
        self._is_on = False
        self._told_at = -inf

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Use the database inside: what that says about it is told, and raised as it is."""
        try:
            yield
        except BETWEEN_STATEMENTS:
            raise
        except AWAY as error:
            self.goes_on(error)
            raise
        self.is_over()

    def goes_on(self, error: Exception) -> None:
        """The database was asked, and is away."""
        if (now := time.monotonic()) - self._told_at < TELL_EVERY:
            return
        self._is_on, self._told_at = True, now
        log.warning("the database is away, trying again: %s", str(error).strip().partition("\n")[0])

    def is_over(self) -> None:
        """The database has answered."""
        if self._is_on:
            self._is_on = False
            log.warning("the database is back")
