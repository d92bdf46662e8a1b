"""Connections that must not be held for nothing: deadlines, least rates and a cap, in uvicorn's own protocol.

uvicorn ends a connection that is idle after an answer (five seconds). It never ends one that sends half a
head or half a body, or that reads nothing of an answer; and it takes as many as there are file descriptors,
which the worker and the database of the same process need as well.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["Connections", "Patience", "most_connections"]

KEPT_BACK = 256
"""File descriptors that are not for connections: the database's, the ComfyUIs', files."""
FEWEST = 64
WANTED_FILES = 65_536
HEAD_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
FULL = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How slow the other side may be.

    Attributes:
        head: Seconds for the head of a request, from its first byte, and for the first byte of a connection.
        rate: Bytes a second, at least, of a body that is sent to us and of an answer that is read.
        over: Seconds over which that rate is measured; also what is left of a body after its answer.
        every: Seconds from one look at all connections to the next.

    """

    head: float = 10.0
    rate: float = 1024.0
    over: float = 30.0
    every: float = 1.0


class Connections:
    """The connections of one process.

    Args:
        most: How many may be open. Beyond it the one that has waited longest for a head makes room.
        patience: How slow they may be.
        clock: Seconds.

    """

    def __init__(
        self,
        most: int,
        patience: Patience | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.most = most
        self.patience = patience or Patience()
        self.clock = clock
        self.open: set[_Connection] = set()
        self.without_head: dict[_Connection, float] = {}  # the one that has waited longest is the first

    def protocol(self) -> type[asyncio.Protocol]:
        """Return what uvicorn speaks HTTP with, for ``uvicorn.Config(http=...)``."""
        return type("_Connection", (_Connection,), {"book": self})

    async def watch(self) -> None:
        """End what is too slow, for ever."""
        while True:
            await asyncio.sleep(self.patience.every)
            self.look()

    def look(self) -> None:
        """End what is too slow now."""
        now = self.clock()
        for connection in list(self.open):
            connection.end_if_slow(now)

    def make_room(self) -> bool:
        """End the connection that has waited longest for a head; return whether there was one."""
        oldest = next(iter(self.without_head), None)
        if oldest is not None:
            oldest.end()
        return oldest is not None


class _Connection(HttpToolsProtocol):
    """uvicorn's protocol, which notes what it waits for and since when."""

    book: Connections

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._body = _Flow()
        self._answer = _Flow()
        self._answered_at: float | None = None
        self._has_begun = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, unless there are too many that are of use."""
        if len(self.connections) >= self.book.most and not self.book.make_room():
            transport.set_protocol(asyncio.Protocol())
            transport.write(FULL)
            transport.close()
            return
        super().connection_made(transport)
        self.book.open.add(self)
        self.book.without_head[self] = self.book.clock()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._forget()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection on: what is sent over a WebSocket has limits of its own."""
        self._forget()
        super().handle_websocket_upgrade()

    def on_message_begin(self) -> None:
        """Begin to wait for the rest of a head."""
        super().on_message_begin()
        self._has_begun = True
        self.book.without_head.pop(self, None)
        self.book.without_head[self] = self.book.clock()

    def on_headers_complete(self) -> None:
        """Begin to wait for a body."""
        self._has_begun = False
        self.book.without_head.pop(self, None)
        self._body.begin(self.book.clock())
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Count what comes of a body."""
        self._body.count += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Wait for nothing more of this request."""
        self._body.end()
        self._answered_at = None
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request, and for what is left of this one."""
        now = self.book.clock()
        if self._body.since is None:
            self.book.without_head.setdefault(self, now)
        else:
            self._answered_at = now
        super().on_response_complete()

    def pause_writing(self) -> None:
        """Begin to watch how much is read of what we have written."""
        self._answer.begin(self.book.clock(), -self.transport.get_write_buffer_size())
        super().pause_writing()

    def resume_writing(self) -> None:
        """Enough was read."""
        self._answer.end()
        super().resume_writing()

    def end_if_slow(self, now: float) -> None:
        """End the connection if the other side has had its time."""
        patience = self.book.patience
        if (
            _is_over(self.book.without_head.get(self), now, patience.head)
            or _is_over(self._answered_at, now, patience.over)
            or self._body.is_slow(now, patience, is_held=self.flow.read_paused)
            or self._is_read_slowly(now)
        ):
            self.end()

    def _is_read_slowly(self, now: float) -> bool:
        # While uvicorn's writing is paused nothing is added: what the buffer lost was read.
        self._answer.count = -self.transport.get_write_buffer_size()
        return self._answer.is_slow(now, self.book.patience)

    def end(self) -> None:
        """End the connection; half a head is told why."""
        self._forget()
        if self._has_begun and (self.cycle is None or self.cycle.response_complete):
            self.transport.write(HEAD_TOO_SLOW)
            self.transport.close()
        else:
            self.transport.abort()

    def _forget(self) -> None:
        self.book.open.discard(self)
        self.book.without_head.pop(self, None)


def _is_over(since: float | None, now: float, seconds: float) -> bool:
    return since is not None and now - since >= seconds


class _Flow:
    """Bytes in one direction, and how many there were when the present span of time began."""

    def __init__(self) -> None:
        self.count = 0
        self.since: float | None = None
        self._count_then = 0

    def begin(self, now: float, count: int | None = None) -> None:
        self.count = self.count if count is None else count
        self.since, self._count_then = now, self.count

    def end(self) -> None:
        self.since = None

    def is_slow(self, now: float, patience: Patience, *, is_held: bool = False) -> bool:
        """Whether a span has passed with too few bytes; ``is_held``: it is we who do not read."""
        if self.since is None or (now - self.since < patience.over and not is_held):
            return False
        moved = self.count - self._count_then
        self.begin(now)
        return not is_held and moved < patience.rate * patience.over


def most_connections() -> int:
    """Raise the soft limit of file descriptors as far as may be; return how many connections that is."""
    if sys.platform == "win32":
        return 10_000  # sockets are no file descriptors there
    import resource  # noqa: PLC0415

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED_FILES if hard == resource.RLIM_INFINITY else min(hard, WANTED_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    usable = WANTED_FILES if soft == resource.RLIM_INFINITY else soft
    return max(usable - KEPT_BACK, FEWEST)
