"""An outage of the database: what it is, who is told of it, and what the log says.

The log has it once, every half minute while it lasts, and its end. All of a process finds an outage out
at once, and whoever reads the log has to find in it what else has happened meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from math import inf
from typing import Any, TypeVar

import psycopg
from psycopg_pool import PoolTimeout

__all__ = ["AWAY", "DatabaseAway", "Outage", "is_suspicious", "patiently"]

T = TypeVar("T")
AWAY = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.ReadOnlySqlTransaction)
"""What psycopg raises while the database is away, or is one that takes no writes: the only list of it.

Whoever answers requests says 503, whoever works tries again.
"""
TRIED_EVERY = 0.5
"""Seconds until a worker that the database did not answer tries again."""
OF_ONE_STATEMENT = ("2", "3", "40", "54", "550", "57014", "F0", "HV")
"""How the SQLSTATEs begin that psycopg has under the same heading when the database refuses one statement.

Statements are in each other's way, a time limit ends one, a statement is too complex. What is left says that
the database itself cannot be used: no connection (08), no resources (53), shutting down (57P), a broken disk
(58), or tables that somebody keeps locked (55P03); a connection that broke off has no SQLSTATE.
"""
NOT_LET_IN = ("28", "3D")
"""Those of a database that refuses the connection as such: the user, or the database by that name."""


def is_suspicious(error: Exception) -> bool:
    """Whether the database may be away, after ``error``: somebody has to try."""
    if not isinstance(error, AWAY) or isinstance(error, PoolTimeout):
        return False
    state = (isinstance(error, psycopg.Error) and error.sqlstate) or ""
    return (
        isinstance(error, psycopg.errors.ReadOnlySqlTransaction)
        or state.startswith(NOT_LET_IN)
        or not state.startswith(OF_ONE_STATEMENT)
    )


JUDGED_WITHIN = 1.0
"""Seconds that one try may take until the database counts as away: trying a server that is there takes two
milliseconds, one that has vanished is silent."""


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
        self._refuses_at: float | None = None  # on the loop's clock
        self._is_settled = asyncio.Event()
        self._is_settled.set()
        self._tell_every = tell_every
        self._is_told = False
        self._told_at = -inf
        self._waiting: set[asyncio.Timeout] = set()
        self._log = logging.getLogger("comfywire.service")

    async def unless_on(self, ask: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return what asking for a connection comes to, as long as there is no outage.

        A connection that broke off says little about the others: who comes while that is being looked into
        waits for what is found, at most ``JUDGED_WITHIN``.

        Raises:
            DatabaseAway: There is one, or it has begun meanwhile.

        """
        limit = asyncio.timeout_at(self._refuses_at)
        try:
            async with limit:
                self._waiting.add(limit)
                if self.is_on:
                    await self._is_settled.wait()
                return await ask()
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise DatabaseAway from error
        finally:
            self._waiting.discard(limit)

    def begins(self) -> bool:
        """The database seems to be away, and is to be tried; False if that was known."""
        if self.is_on:
            return False
        self.is_on = True
        self._is_settled.clear()
        self._refuse_at(asyncio.get_running_loop().time() + JUDGED_WITHIN)
        return True

    def _refuse_at(self, when: float | None) -> None:
        self._refuses_at = when
        for limit in self._waiting:
            if not limit.expired():
                limit.reschedule(when)

    def goes_on(self, error: Exception) -> None:
        """The database was tried, and is away: nobody waits for it."""
        self._refuse_at(asyncio.get_running_loop().time())
        if (now := time.monotonic()) - self._told_at < self._tell_every:
            return
        self._is_told, self._told_at = True, now
        words = str(error).strip().partition("\n")[0]
        self._log.warning("the database is away, trying again: %s", words)

    def is_over(self) -> None:
        """The database takes writes."""
        self.is_on = False
        self._is_settled.set()
        self._refuse_at(None)
        if self._is_told:
            self._is_told = False
            self._log.warning("the database is back")


async def patiently(action: Callable[[], Awaitable[T]]) -> T:
    """Return what ``action`` returns, tried again for as long as the database is away.

    Every action is safe to repeat: it names its attempt, so that one which took effect before the connection
    broke is refused, or does the same again.
    """
    while True:
        try:
            return await action()
        except AWAY:
            await asyncio.sleep(TRIED_EVERY)
