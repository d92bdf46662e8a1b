"""An address goes from a process that is about to stop to the next one: nobody is refused there.

The listening socket itself is handed over (unix(7), SCM_RIGHTS), and until the next process answers, the
one before it does. Two sockets at one address (SO_REUSEPORT) would lose whoever waits in the queue of the
one that is closed, and would let a second service start by mistake.

The next process finds the one before it by an abstract socket that is named after the address. Such names
are a network namespace's, as ports are, end with the process, and only Linux has them: elsewhere the next
process can start once the address is free.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from .http_server import CannotListen, HttpServer, bound, family_of, tcp_socket
from .settings import Settings
from .waiting import set_within

__all__ = ["ListeningPlace", "place_at"]

ASK, STOP = b"give", b"stop"
HERE, BUSY, READY = b"here", b"busy", b"ready"
STOPS_WITHIN = 0.5
"""Seconds in which a process that is asked for its address may yet be told to stop."""
ANSWERS_WITHIN = 5.0
ENDS_WITHIN = 20
"""Tenths of a second that a process may need to let go of an address, once it hands it over no more."""
TAKES_OVER_WITHIN = 120.0
"""Seconds in which who was given an address begins to answer there; its database may have to recover."""
CREDENTIALS = struct.Struct("3i")


@dataclass(frozen=True, slots=True)
class ListeningPlace:
    """An address to listen on.

    Attributes:
        listener: The socket there.
        door: Where the next process asks for it; None where that is not possible.
        before: The connection to the process that had the address before, which still answers there.

    """

    listener: socket.socket
    door: socket.socket | None
    before: socket.socket | None = None

    @contextlib.asynccontextmanager
    async def held(
        self, server: HttpServer, is_leaving: asyncio.Event, stop: Callable[[], None]
    ) -> AsyncIterator[None]:
        """Hold the address inside this context, and hand it over to who comes when ``is_leaving`` is set.

        Args:
            server: Answers there, until somebody else does.
            is_leaving: Set once the process has been told to stop.
            stop: Called when the next process answers, if it wants this one to stop: what a signal does.

        """
        if self.before is not None:
            await server.until_up()
            with contextlib.suppress(OSError):  # it has ended meanwhile
                self.before.sendall(READY)
        if self.door is None:
            yield
            return
        answering = self._answer(self.door, server, is_leaving, stop)
        waiting = asyncio.create_task(answering, name="comfywire door")
        try:
            yield
        finally:
            waiting.cancel()
            await asyncio.wait([waiting])

    def close(self) -> None:
        """Let go of the address: who asks for it at this moment sees that it is free."""
        for each in (self.before, self.listener, self.door):
            if each is not None:
                each.close()

    async def _answer(
        self,
        door: socket.socket,
        server: HttpServer,
        is_leaving: asyncio.Event,
        stop: Callable[[], None],
    ) -> None:
        """Hand the address to the first who asks for it in time, and takes it over."""
        loop = asyncio.get_running_loop()
        while True:
            caller, _ = await loop.sock_accept(door)
            with caller, contextlib.suppress(OSError, TimeoutError):
                caller.setblocking(False)
                wanted = await self._wanted(caller, is_leaving)
                if wanted is None or not await self._is_taken(caller, door):
                    continue
                if wanted == STOP:
                    stop()
                server.stop_listening()
                return

    async def _wanted(self, caller: socket.socket, is_leaving: asyncio.Event) -> bytes | None:
        """Return what somebody asks for; None if that is refused."""
        async with asyncio.timeout(ANSWERS_WITHIN):
            wanted = await asyncio.get_running_loop().sock_recv(caller, len(ASK))
        if _is_own(caller) and (wanted == STOP or await set_within(is_leaving, STOPS_WITHIN)):
            return wanted
        caller.send(BUSY)
        return None

    async def _is_taken(self, caller: socket.socket, door: socket.socket) -> bool:
        """Hand the address over; return whether the next process has come as far as to answer there."""
        socket.send_fds(caller, [HERE], [self.listener.fileno(), door.fileno()])
        async with asyncio.timeout(TAKES_OVER_WITHIN):
            return await asyncio.get_running_loop().sock_recv(caller, len(READY)) == READY


@contextlib.asynccontextmanager
async def place_at(settings: Settings, *, takes_over: bool = False) -> AsyncIterator[ListeningPlace]:
    """Have the address of the settings, inside this context; if need be from a process that is to stop.

    Args:
        settings: Name the address.
        takes_over: Whether a service that is there, and is not to stop yet, is told to.

    Raises:
        CannotListen: Somebody else listens there, the system forbids it, or it is not this machine's.

    """
    with contextlib.closing(await _taken(settings, ASK if not takes_over else STOP)) as place:
        yield place


async def _taken(settings: Settings, wanted: bytes) -> ListeningPlace:
    for is_last in [False] * ENDS_WITHIN + [True]:
        try:
            listener = bound(settings)
        except CannotListen:
            try:
                given = await asyncio.to_thread(_asked_for, settings, wanted)
            except ConnectionError:  # it has just ended
                if not is_last:
                    await asyncio.sleep(0.1)
                    continue
                raise
            if given is None:
                raise
            return given
        return ListeningPlace(listener, _door(*listener.getsockname()[:2]))
    raise AssertionError("unreachable")


def _asked_for(settings: Settings, wanted: bytes) -> ListeningPlace | None:
    """Return the place of a process that is about to stop; None if nobody there is.

    Raises:
        ConnectionError: It has ended in the middle of this.

    """
    if sys.platform != "linux":
        return None
    if not settings.port:
        return None
    with contextlib.ExitStack() as stack:
        before = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        before.settimeout(ANSWERS_WITHIN)
        try:
            before.connect(_name(_resolved(settings.host), settings.port))
        except OSError:
            return None
        if not _is_own(before):
            return None
        before.sendall(wanted)
        said, given, _, _ = socket.recv_fds(before, len(HERE), 2)
        if not said:
            raise ConnectionResetError("it has ended")
        if said == HERE and len(given) == 2:
            stack.pop_all()
            door = socket.socket(fileno=given[1])
            door.setblocking(False)
            return ListeningPlace(tcp_socket(given[0]), door, before)
    return None


def _door(host: str, port: int) -> socket.socket | None:
    if sys.platform != "linux":
        return None
    door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        door.bind(_name(host, port))
        door.listen()
        door.setblocking(False)
    except OSError:  # somebody else has taken the name: then the address is not handed over
        door.close()
        return None
    return door


def _resolved(host: str) -> str:
    """Return a host as a socket that listens there calls it."""
    found = socket.getaddrinfo(host or None, 0, family_of(host), socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return str(found[0][4][0])


def _name(host: str, port: int) -> str:
    return f"\0comfywire {host} {port}"


def _is_own(other: socket.socket) -> bool:
    """Whether a process of the same user, or of root, is at the other end: anybody can take a name."""
    if sys.platform != "linux":
        return False
    told = other.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    return CREDENTIALS.unpack(told)[1] in (os.getuid(), 0)
