"""A line to a PostgreSQL that can be cut for one process, while others reach the database as ever."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Self

from psycopg.conninfo import conninfo_to_dict, make_conninfo

__all__ = ["DatabaseLink"]


class DatabaseLink:
    """Passes bytes on between a socket in a folder of its own and the database of ``url``.

    Attributes:
        url: The same database, over this line.

    """

    def __init__(self, url: str) -> None:
        named = conninfo_to_dict(url)
        self._host, self._port = str(named.get("host", "localhost")), str(named.get("port", 5432))
        self._folder = tempfile.TemporaryDirectory(prefix="cw-link-")  # short: a socket's name is limited
        self._ends: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.url = make_conninfo(url, host=self._folder.name, port=5432)

    async def __aenter__(self) -> Self:
        await self.mend()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.cut()
        self._folder.cleanup()

    async def mend(self) -> None:
        """Be reached."""
        path = Path(self._folder.name) / ".s.PGSQL.5432"
        path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, path)

    async def cut(self) -> None:
        """Break every connection, and be reached no more."""
        assert self._server is not None
        self._server.close()
        for end in self._ends:
            end.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with self._database() as (from_database, to_database):
            self._ends |= {writer, to_database}
            ways = [_passed_on(reader, to_database), _passed_on(from_database, writer)]
            with contextlib.suppress(OSError):
                await asyncio.gather(*ways)
            self._ends -= {writer, to_database}
            writer.transport.abort()

    @contextlib.asynccontextmanager
    async def _database(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        if self._host.startswith("/"):
            opening = asyncio.open_unix_connection(f"{self._host}/.s.PGSQL.{self._port}")
        else:
            opening = asyncio.open_connection(self._host, int(self._port))
        reader, writer = await opening
        try:
            yield reader, writer
        finally:
            writer.transport.abort()


async def _passed_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while content := await reader.read(1 << 16):
        writer.write(content)
        await writer.drain()
    writer.transport.abort()
