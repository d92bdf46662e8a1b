"""A line to a server that can be made to fall silent, or to break, at a moment that is known."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

__all__ = ["Relay", "relay_to"]

REQUESTS = (b"GET ", b"POST ", b"HEAD ", b"DELETE ", b"PUT ")


class Relay:
    """Passes bytes on in both directions until it is told otherwise.

    Attributes:
        silent_at: Since when nothing comes back, or nobody is reached.
        asked_at: When the first request came that has no answer because of that.

    """

    def __init__(self, target: str) -> None:
        address = urlsplit(target)
        self._host, self._port = address.hostname, address.port
        self._own_port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        self.silent_at = 0.0
        self.asked_at: float | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._own_port}"

    async def open(self) -> None:
        """Be reached, after a break at the same port as before."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._own_port)
        self._own_port = self._server.sockets[0].getsockname()[1]

    def hang(self) -> None:
        """Keep every connection open, take what is sent, and pass on no answer."""
        self._flows.clear()
        self.silent_at, self.asked_at = asyncio.get_running_loop().time(), None

    def go_on(self) -> None:
        """Pass on what has come meanwhile."""
        self._flows.set()

    def cut(self) -> None:
        """Break every connection, and be reached no more."""
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        self.silent_at, self.asked_at = asyncio.get_running_loop().time(), None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self._host, self._port)
        self._writers |= {writer, back}
        with contextlib.suppress(OSError):
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, back, is_asking=True))
                group.create_task(self._pump(there, writer))
        self._writers -= {writer, back}

    async def _pump(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, is_asking: bool = False
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                if not is_asking:
                    await self._flows.wait()
                elif not self._flows.is_set() and self.asked_at is None and data.startswith(REQUESTS):
                    self.asked_at = asyncio.get_running_loop().time()
                target.write(data)
                await target.drain()
        target.close()


@contextlib.asynccontextmanager
async def relay_to(target: str) -> AsyncIterator[Relay]:
    """Yield an open line to a server."""
    relay = Relay(target)
    await relay.open()
    try:
        yield relay
    finally:
        relay.go_on()
        relay.cut()
