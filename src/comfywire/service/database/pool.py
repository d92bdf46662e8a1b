"""PostgreSQL: one pool of connections, one connection that listens (listening.py), and our schema on both."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any, Self, TypeAlias

import psycopg
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

from comfywire.service.database.listening import Listener
from comfywire.service.database.outage import Outage

__all__ = ["SCHEMA", "Connection", "Database", "Row", "execute", "row", "rows"]

SCHEMA = "comfywire"
"""The PostgreSQL schema of all our tables, and of the engine's."""

Connection: TypeAlias = psycopg.AsyncConnection[DictRow]
Row: TypeAlias = dict[str, Any]


class Database:
    """A PostgreSQL database.

    Args:
        url: ``postgresql://…``, as libpq takes it.
        size: Connections at most.

    """

    def __init__(self, url: str, *, size: int = 8) -> None:
        self.url = url
        said = f"-c search_path={SCHEMA} -c plan_cache_mode=force_generic_plan"
        options: dict[str, Any] = {"options": said, "row_factory": dict_row}
        self._options = options
        self._outage = Outage()
        self._listener = Listener(self._connect, self._outage)
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            url,
            # Prepared when first used: few statements come again and again, and plans cost more than they do.
            kwargs=options | {"autocommit": True, "prepare_threshold": 0},
            min_size=1,
            max_size=size,
            open=False,
            reconnect_timeout=3600.0,
            name="comfywire",
        )

    async def __aenter__(self) -> Self:
        await self._pool.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._pool.close()

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection; every statement commits by itself.

        Raises:
            psycopg_pool.PoolTimeout: The database has not answered for 30 seconds.

        """
        with self._outage.watched():
            async with self._pool.connection() as connection:
                yield connection

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

    async def listen(
        self, channels: list[str], on_notify: Callable[[str, str], None], on_gap: Callable[[], None]
    ) -> None:
        """Call ``on_notify(channel, payload)`` for each notification, for ever; see :class:`Listener`.

        ``on_gap`` is called when that begins and after each reconnection: what was said before was missed.
        Cancelling ends it.
        """
        await self._listener.listen(channels, on_notify, on_gap)

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        return await psycopg.AsyncConnection.connect(self.url, autocommit=True, **self._options)


def _literal(query: str) -> bytes:
    """Queries come from our own files; psycopg takes text only where the type checker can see that."""
    return query.encode()


async def rows(connection: Connection, query: str, /, **values: Any) -> list[Row]:
    """Return the rows of ``query`` on a connection that is lent."""
    return await (await connection.execute(_literal(query), values)).fetchall()


async def row(connection: Connection, query: str, /, **values: Any) -> Row | None:
    """Return the first row of ``query``, or None."""
    return await (await connection.execute(_literal(query), values)).fetchone()


async def execute(connection: Connection, query: str, /, **values: Any) -> int:
    """Carry out ``query``; return how many rows it touched."""
    return (await connection.execute(_literal(query), values)).rowcount
