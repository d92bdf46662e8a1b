"""The HTTP server of one process: its listening socket, and uvicorn from the start to an orderly stop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import AsyncIterator, Callable, Iterator

import uvicorn
from starlette.types import ASGIApp

from comfywire.errors import ComfywireError
from comfywire.service.settings import Settings

from .answers import Answers
from .http_connections import Connections, most_connections

__all__ = ["CannotListen", "HttpServer", "bound", "family_of", "serving", "tcp_socket"]

BACKLOG = 2048
STREAMS_MAY_LAST = 3
"""Seconds that open requests have when the process stops; uvicorn would else wait for them for ever."""


class CannotListen(ComfywireError):
    """Another program listens on the address, or the address is not this machine's."""


def bound(settings: Settings) -> socket.socket:
    """Return a socket that listens where the settings say; port 0 takes a free one.

    Raises:
        CannotListen: Another program does, the system forbids it, or the address is not this machine's.

    """
    try:
        listener = socket.create_server(
            (settings.host, settings.port), backlog=BACKLOG, family=family_of(settings.host)
        )
    except OSError as error:
        where = f"{settings.host} port {settings.port}"
        raise CannotListen(f"cannot listen on {where}: {_reason(error)}") from error
    return tcp_socket(listener.detach())


def tcp_socket(descriptor: int) -> socket.socket:
    """Return a socket that names its protocol: asyncio switches Nagle's algorithm off for such sockets alone.

    With that on, each answer whose body follows its head waits 40 ms for the client's acknowledgement of the
    head.
    """
    with socket.socket(fileno=descriptor) as plain:
        return socket.socket(plain.family, plain.type, socket.IPPROTO_TCP, fileno=plain.detach())


def _reason(error: OSError) -> str:
    """Return what is wrong, and the next step: asyncio and socket add words of their own to the system's."""
    if error.errno == errno.EADDRINUSE:
        return "somebody else does; choose another --port, or 0 for a free one"
    if error.errno in (errno.EACCES, errno.EPERM):
        return "it is not allowed; choose a --port above 1023, or 0 for a free one"
    return "that is no address of this machine; choose another --host"


def family_of(host: str) -> socket.AddressFamily:
    """Return the family of an address as an operator writes it."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET


class HttpServer(uvicorn.Server):
    """uvicorn without its signal handlers: the process has its own, and drains its worker before it stops.

    Attributes:
        answers: Those that are on their way.

    """

    def __init__(self, config: uvicorn.Config, answers: Answers) -> None:
        super().__init__(config)
        self.answers = answers

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the process."""
        yield

    async def until_up(self) -> None:
        """Wait until connections are taken; before, they wait in the listening socket."""
        while not self.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.005)

    def stop_listening(self) -> None:
        """Take no more connections, since another process does; those that are open are served on."""
        self.answers.are_last = True
        for server in self.servers:
            server.close()


@contextlib.asynccontextmanager
async def serving(
    app: ASGIApp,
    listener: socket.socket,
    on_stop: Callable[[], None],
    connections: Connections | None = None,
) -> AsyncIterator[HttpServer]:
    """Answer requests on ``listener`` inside this context; at its end open requests have a few seconds.

    Args:
        app: Answers the requests.
        listener: A socket from :func:`bound`.
        on_stop: Ends the event streams; called first at the end, because a stream that nobody ends would use
            up the seconds that open requests have.
        connections: How many connections there may be, and how slow; by default as many as there are
            descriptors for.

    """
    watched = connections or Connections(most_connections())
    answers = Answers(app)
    config = uvicorn.Config(
        answers,
        log_config=None,
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=STREAMS_MAY_LAST,
        server_header=False,
        http=watched.protocol(),
    )
    server = HttpServer(config, answers)
    task = asyncio.create_task(server.serve(sockets=[listener]), name="comfywire http")
    watching = asyncio.create_task(watched.watch(), name="comfywire http connections")
    try:
        yield server
    finally:
        on_stop()
        server.should_exit = True
        await task
        watching.cancel()
