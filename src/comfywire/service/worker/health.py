"""Whether a worker's process is alive and at work, over HTTP: for Kubernetes, which asks a port."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable

from comfywire.errors import ComfywireError

__all__ = ["CannotAnswer", "answering"]

PATIENCE = 5.0
"""Seconds that somebody who asks has for the question."""
LONGEST = 4096
Ask = Callable[[], bool]


class CannotAnswer(ComfywireError):
    """The port is taken."""


@contextlib.asynccontextmanager
async def answering(port: int, is_ready: Ask, *, host: str = "0.0.0.0") -> AsyncIterator[int]:  # noqa: S104
    """Answer ``GET /healthz`` and ``GET /readyz`` inside this context, and give the port; 0 takes a free one.

    ``/healthz`` says that the process answers at all, and nothing of the database, whose outage no restart
    would mend. ``/readyz`` is 503 unless ``is_ready()``. Kubernetes asks from outside: on all interfaces.

    Raises:
        CannotAnswer: Somebody else listens there.

    """
    try:
        answer = functools.partial(_answer, is_ready)
        server = await asyncio.start_server(answer, host, port, limit=LONGEST)
    except OSError as error:
        raise CannotAnswer(f"cannot listen on port {port}: {error.strerror}; choose another") from error
    async with server:
        yield server.sockets[0].getsockname()[1]


async def _answer(is_ready: Ask, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, ValueError, TimeoutError):
        async with asyncio.timeout(PATIENCE):
            path = (await reader.readline()).split(b" ")[1:2]
            while (await reader.readline()).strip():
                pass
            writer.write(_reply(path, is_ready))
            await writer.drain()
    writer.close()


def _reply(path: list[bytes], is_ready: Ask) -> bytes:
    match path:
        case [b"/healthz"]:
            status, words = "200 OK", "ok"
        case [b"/readyz"]:
            status, words = ("200 OK", "ready") if is_ready() else ("503 Service Unavailable", "not ready")
        case _:
            status, words = "404 Not Found", "ask for /healthz or /readyz"
    fields = f"Content-Type: text/plain\r\nContent-Length: {len(words)}\r\nConnection: close"
    return f"HTTP/1.1 {status}\r\n{fields}\r\n\r\n{words}".encode()
