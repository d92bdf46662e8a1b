"""Answers over HTTP whether a worker's process is alive and at work: Kubernetes asks a port."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from comfywire.errors import ComfywireError

__all__ = ["CannotAnswer", "answering"]

PATIENCE = 5.0
"""Seconds in which a connection must have sent its request and taken the answer."""
LONGEST = 4096
"""Bytes of one line of a request."""
Ask = Callable[[], bool]


class CannotAnswer(ComfywireError):
    """The worker cannot listen on the port."""


@contextlib.asynccontextmanager
async def answering(port: int, is_ready: Ask, *, host: str = "0.0.0.0") -> AsyncIterator[int]:  # noqa: S104
    """Answer ``GET /healthz`` and ``GET /readyz`` inside; yields the port, a free one for port 0.

    ``/healthz`` says that the process answers at all, and does not look at the database: Kubernetes restarts
    a process that fails here, and no restart mends an outage of the database. ``/readyz`` is 503 unless
    ``is_ready()``. Kubernetes asks from outside the container, so the default is to listen on all interfaces.
    At the end connections are broken off that still ask: nothing is left that the end of the loop would find.

    Raises:
        CannotAnswer: Another program listens on the port, or the port is not allowed.

    """
    answers: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        answers[task] = writer
        try:
            await _answer(is_ready, reader, writer)
        finally:
            del answers[task]

    try:
        server = await asyncio.start_server(answer, host, port, limit=LONGEST)
    except OSError as error:
        raise CannotAnswer(f"cannot listen on port {port}: {error.strerror}; choose another") from error
    async with server:
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            await asyncio.sleep(0)  # what was just taken begins to be answered
            await _break_off(answers)


async def _break_off(answers: dict[asyncio.Task[None], asyncio.StreamWriter]) -> None:
    """End the connections; a cancelled answer Python 3.11 logs as an error (asyncio/streams.py, callback)."""
    for writer in answers.values():
        writer.transport.abort()
    if answers:
        await asyncio.wait(list(answers))


async def _answer(is_ready: Ask, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, ValueError, TimeoutError):
        async with asyncio.timeout(PATIENCE):
            path = (await reader.readline()).split(b" ")[1:2]
            while (await reader.readline()).strip():
                pass  # read to the end: closing with unread bytes would reset the connection, and the answer
            if not writer.is_closing():
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
