"""PostgreSQL: one pool of connections, one connection that listens (listening.py), and our schema on both."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Self, TypeAlias

import psycopg
from psycopg.rows import DictRow
from psycopg_pool import AsyncConnectionPool

from comfywire.service.database.connecting import SCHEMA, connect, parameters, set_up
from comfywire.service.database.listening import Listener
from comfywire.service.database.outage import DatabaseAway, Outage, is_suspicious
from comfywire.service.sql import queries

__all__ = ["SCHEMA", "Connection", "Database", "Row", "execute", "row", "rows"]

Connection: TypeAlias = psycopg.AsyncConnection[DictRow]
Row: TypeAlias = dict[str, Any]
SQL = queries("database")
WAIT = 10.0
"""Seconds for which a statement waits for a connection while all are in use."""
RECONNECT_FOR = 2.0
"""Seconds for which the pool tries to open a connection; its pauses double, so we watch what is longer."""


class Database:
    """A PostgreSQL database.

    Args:
        url: ``postgresql://…``, as libpq takes it.
        size: Connections at most.
        prepares: Whether a connection is a session of our own, which keeps prepared statements and settings;
            False behind a pooler in transaction mode.
        listen_url: Where LISTEN works, if it does not there; without one, what may have happened is asked for
            every second.
        try_every: Seconds between two tries while the database is away.
        tell_every: Seconds between two lines in the log meanwhile.

    """

    def __init__(
        self,
        url: str,
        *,
        size: int = 8,
        prepares: bool = True,
        listen_url: str | None = None,
        try_every: float = 0.5,
        tell_every: float = 30.0,
    ) -> None:
        self.url = url
        self._prepares = prepares
        self._try_every = try_every
        self._outage = Outage(tell_every=tell_every)
        self._trying: asyncio.Task[None] | None = None
        listens_at = listen_url or (url if prepares else None)
        self._listener = Listener(
            None if listens_at is None else lambda: connect(listens_at), self._suspect, pause=try_every
        )
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            url,
            connection_class=_Pooled,
            # Prepared when first used: few statements come again and again, and plans cost more than they do.
            kwargs=parameters(url) | {"prepare_threshold": 0 if prepares else None},
            configure=set_up if prepares else None,
            min_size=1,
            max_size=size,
            open=False,
            timeout=WAIT,
            reconnect_timeout=RECONNECT_FOR,
            reconnect_failed=lambda _: self._suspect(DatabaseAway()),
            name="comfywire",
        )

    async def __aenter__(self) -> Self:
        await self._pool.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._trying is not None:
            self._trying.cancel()
            await asyncio.wait([self._trying])
        await self._pool.close()

    def connection(self) -> AbstractAsyncContextManager[Connection]:
        """Lend a connection; every statement commits by itself, so that nothing is open at the end.

        Raises:
            DatabaseAway: The database is away: said at once.
            psycopg_pool.PoolTimeout: All connections were in use for 10 seconds.

        """
        return _Lent(self._pool, self._lent, self._outage, self._suspect)

    async def _lent(self) -> Connection:
        """Return a connection of the pool, unless the caller was cancelled while it waited for one.

        The pool waits with ``asyncio.wait_for``, which in Python 3.11 swallows a cancellation that comes
        together with the connection: a loop that was told to end would go on, and nobody would say it again.
        """
        task = asyncio.current_task()
        assert task is not None
        before = task.cancelling()
        connection = await self._pool.getconn()
        if task.cancelling() > before:
            await self._pool.putconn(connection)
            raise asyncio.CancelledError
        return connection

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Lend a connection with a transaction open: committed at the end, rolled back on an error."""
        async with self.connection() as connection, connection.transaction():
            yield connection

    async def all(self, query: str, /, **values: Any) -> list[Row]:
        """Return the rows of one statement."""
        async with self.connection() as connection:
            return await rows(connection, query, **values)

    async def one(self, query: str, /, **values: Any) -> Row | None:
        """Return the first row of one statement, or None."""
        async with self.connection() as connection:
            return await row(connection, query, **values)

    async def do(self, query: str, /, **values: Any) -> int:
        """Carry out one statement; return how many rows it touched."""
        async with self.connection() as connection:
            return await execute(connection, query, **values)

    async def try_to_write(self) -> None:
        """Raise unless a job could be recorded now.

        Raises:
            psycopg.Error: It could not, for one of the reasons of ``outage.AWAY``.

        """
        async with self.connection() as connection:
            await _try_to_write(connection)

    async def listen(
        self, channels: list[str], on_notify: Callable[[str, str], None], on_gap: Callable[[], None]
    ) -> None:
        """Call ``on_notify(channel, payload)`` for each notification, for ever; see :class:`Listener`.

        ``on_gap`` is called when that begins and after each reconnection: what was said before was missed.
        Cancelling ends it.
        """
        await self._listener.listen(channels, on_notify, on_gap)

    def _suspect(self, error: Exception) -> None:
        """Find out whether the database is away, if it looks so; others wait for the verdict."""
        if is_suspicious(error) and self._outage.begins():
            self._trying = asyncio.create_task(
                self._try_until_it_writes(error),
                name="comfywire database",
                context=contextvars.Context(),  # it is about no job, whoever noticed it
            )

    async def _try_until_it_writes(self, error: Exception) -> None:
        is_stale = isinstance(error, psycopg.errors.ReadOnlySqlTransaction)
        while True:
            try:
                async with await connect(self.url) as connection:
                    if self._prepares:
                        await set_up(connection)
                    await _try_to_write(connection)
                break
            except psycopg.Error as again:
                self._outage.goes_on(again)
                is_stale = True
            await asyncio.sleep(self._try_every)
        if is_stale:  # the pool's connections may lead to a server that was another one's primary
            await self._pool.drain()
        self._outage.is_over()


class _Pooled(psycopg.AsyncConnection[Row]):
    """A connection of the pool, and one cursor for its statements that answer with a row at most.

    A cursor of its own for each takes a third of what psycopg does for a statement. The answer is kept until
    the next one, so statements that answer with many rows have cursors of their own.
    """

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._cursor_of_few: psycopg.AsyncCursor[Row] | None = None

    @property
    def cursor_of_few(self) -> psycopg.AsyncCursor[Row]:
        """The cursor; made when it is first asked for, since psycopg sets the row factory afterwards."""
        if self._cursor_of_few is None:
            self._cursor_of_few = self.cursor()
        return self._cursor_of_few


class _Lent:
    """A connection that is lent: a class, since each statement enters one, and a generator costs more."""

    __slots__ = ("_ask", "_connection", "_outage", "_pool", "_suspect")

    def __init__(
        self,
        pool: AsyncConnectionPool[Connection],
        ask: Callable[[], Coroutine[Any, Any, Connection]],
        outage: Outage,
        suspect: Callable[[Exception], None],
    ) -> None:
        self._pool = pool
        self._ask = ask
        self._outage = outage
        self._suspect = suspect

    async def __aenter__(self) -> Connection:
        try:
            self._connection = await self._outage.unless_on(self._ask)
        except psycopg.Error as error:
            self._suspect(error)
            raise
        return self._connection

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if isinstance(error, (psycopg.errors.ReadOnlySqlTransaction, psycopg.errors.FeatureNotSupported)):
                await _leave_standby(self._connection, error)
        except psycopg.Error as worse:
            error = worse
            raise
        finally:
            try:
                await self._pool.putconn(self._connection)
            finally:
                if isinstance(error, psycopg.Error):
                    self._suspect(error)


async def _try_to_write(connection: Connection) -> None:
    with contextlib.suppress(psycopg.errors.UndefinedTable):  # a database without our schema, as yet
        async with connection.transaction(force_rollback=True):
            await execute(connection, "SET LOCAL lock_timeout = '1s'")
            await execute(connection, SQL["take_locks"])
            await execute(connection, SQL["try_to_write"])


async def _leave_standby(connection: Connection, error: Exception) -> None:
    """Close a connection to a server that takes no writes: the pool replaces it.

    A standby refuses what it cannot do at all as not supported (0A000), which others say for other reasons.

    Raises:
        psycopg.errors.ReadOnlySqlTransaction: In place of such an error.

    """
    if isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
        await connection.close()
        return
    found = await row(connection, SQL["is_standby"])
    if found is not None and found["is_standby"]:
        await connection.close()
        raise psycopg.errors.ReadOnlySqlTransaction(str(error)) from error


def _literal(query: str) -> bytes:
    """Queries come from our own files; psycopg takes text only where the type checker can see that."""
    return query.encode()


async def rows(connection: Connection, query: str, /, **values: Any) -> list[Row]:
    """Return the rows of ``query`` on a connection that is lent."""
    return await (await connection.execute(_literal(query), values)).fetchall()


async def row(connection: Connection, query: str, /, **values: Any) -> Row | None:
    """Return the first row of ``query``, or None."""
    return await (await _done(connection, query, values)).fetchone()


async def execute(connection: Connection, query: str, /, **values: Any) -> int:
    """Carry out ``query``; return how many rows it touched."""
    return (await _done(connection, query, values)).rowcount


async def _done(connection: Connection, query: str, values: Row) -> psycopg.AsyncCursor[Row]:
    """Carry out ``query``; what it answers must be read before this task waits for anything else."""
    cursor = connection.cursor_of_few if isinstance(connection, _Pooled) else connection.cursor()
    return await cursor.execute(_literal(query), values)
