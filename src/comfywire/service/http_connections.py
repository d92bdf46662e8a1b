"""Deadlines, least rates and a cap for connections, in uvicorn's protocol: no client holds one for nothing.

uvicorn ends a connection that is idle for five seconds after an answer. uvicorn never ends a connection whose
client sends half a head or half a body, or reads nothing of an answer; and it takes as many connections as
there are file descriptors, which the worker and the database pool of the same process need as well.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["AllowedSlowness", "Connections", "most_connections"]

KEPT_BACK = 256
"""File descriptors that are not for clients: those of the database, of the ComfyUIs, and of files."""
FEWEST = 64
"""Connections that are allowed even where fewer descriptors are left."""
WANTED_FILES = 65_536
HEAD_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
FULL = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedSlowness:
    """How slow a client may be.

    Attributes:
        head: Seconds for the head of a request, from its first byte; also for the first byte of a connection.
        rate: Bytes a second that the client must send of a body, or read of an answer, at least.
        over: Seconds over which that rate is measured; also those that the client has to send the rest of a
            body that was answered before its end.
        every: Seconds from one look at all connections to the next.

    """

    head: float = 10.0
    rate: float = 1024.0
    over: float = 30.0
    every: float = 1.0


class Connections:
    """The connections of one process.

    Args:
        most: How many may be open. A further one takes the place of the one that has waited longest for the
            head of a request, and is refused where every connection has a request.
        patience: How slow the clients may be.
        clock: Seconds, for the deadlines.

    """

    def __init__(
        self,
        most: int,
        patience: AllowedSlowness | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.most = most
        self.patience = patience or AllowedSlowness()
        self.clock = clock
        self.open: set[_Connection] = set()
        self.without_head: dict[_Connection, float] = {}  # the longest wait is first

    def protocol(self) -> type[asyncio.Protocol]:
        """Return the class for ``uvicorn.Config(http=...)``: uvicorn makes one of it for each connection."""
        return type("_Connection", (_Connection,), {"book": self})

    async def watch(self) -> None:
        """End connections that are too slow, again and again until cancelled."""
        while True:
            await asyncio.sleep(self.patience.every)
            self.look()

    def look(self) -> None:
        """End every connection that is too slow now."""
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
    """uvicorn's protocol, which notes what the client owes: a head, a body, reading; and since when."""

    book: Connections

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._body = _Flow()
        self._answer = _Flow()
        self._answered_at: float | None = None
        self._has_begun = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, unless there are too many and every one of them has a request."""
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
        """Hand the connection to uvicorn's WebSockets, which have limits of their own."""
        self._forget()
        super().handle_websocket_upgrade()

    def on_message_begin(self) -> None:
        """Begin to wait for the rest of a head, behind all connections that wait longer."""
        super().on_message_begin()
        self._has_begun = True
        self.book.without_head.pop(self, None)
        self.book.without_head[self] = self.book.clock()

    def on_headers_complete(self) -> None:
        """Begin to wait for the body; a connection with a request makes room for no other."""
        self._has_begun = False
        self.book.without_head.pop(self, None)
        self._body.begin(self.book.clock())
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Count the bytes of the body that came."""
        self._body.count += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Wait for nothing more of this request."""
        self._body.end()
        self._answered_at = None
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the rest of a body that was answered before its end, or for the next request."""
        now = self.book.clock()
        if self._body.since is None:
            self.book.without_head.setdefault(self, now)
        else:
            self._answered_at = now
        super().on_response_complete()

    def pause_writing(self) -> None:
        """Begin to watch how fast the client reads: our buffer is full."""
        self._answer.begin(self.book.clock(), -self.transport.get_write_buffer_size())
        super().pause_writing()

    def resume_writing(self) -> None:
        """Stop watching: the client has read enough of our buffer."""
        self._answer.end()
        super().resume_writing()

    def end_if_slow(self, now: float) -> None:
        """End the connection if its client has used up its time."""
        patience = self.book.patience
        if (
            _is_over(self.book.without_head.get(self), now, patience.head)
            or _is_over(self._answered_at, now, patience.over)
            or self._body.is_slow(now, patience, is_held=self.flow.read_paused)
            or self._is_read_slowly(now)
        ):
            self.end()

    def _is_read_slowly(self, now: float) -> bool:
        # While uvicorn's writing is paused it adds nothing to the buffer: all that left it, the client read.
        self._answer.count = -self.transport.get_write_buffer_size()
        return self._answer.is_slow(now, self.book.patience)

    def end(self) -> None:
        """End the connection; a client in the middle of a head is told why, with the status 408."""
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
    """The bytes of one direction, and how many there were when the present span of time began."""

    def __init__(self) -> None:
        self.count = 0
        self.since: float | None = None
        self._count_then = 0

    def begin(self, now: float, count: int | None = None) -> None:
        self.count = self.count if count is None else count
        self.since, self._count_then = now, self.count

    def end(self) -> None:
        self.since = None

    def is_slow(self, now: float, patience: AllowedSlowness, *, is_held: bool = False) -> bool:
        """Whether a span has passed with too few bytes.

        While ``is_held``, it is the service that does not read: the span begins anew, and the client, which
        cannot send, is not blamed.
        """
        if self.since is None or (now - self.since < patience.over and not is_held):
            return False
        moved = self.count - self._count_then
        self.begin(now)
        return not is_held and moved < patience.rate * patience.over


def most_connections() -> int:
    """Raise the soft limit of file descriptors as far as allowed; return how many connections that leaves."""
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
