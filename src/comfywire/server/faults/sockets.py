"""Faults of /ws connections: cut, half-open, deaf, and a reader that stalls everybody."""

from __future__ import annotations

import asyncio
import base64
import os
import socket as network
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from comfywire.server.faults.attachment import Attachment
from comfywire.server.faults.rules import Rule, RuleList
from comfywire.server.faults.tcp import reset, shrink_buffer
from comfywire.server.messages.publisher import Message

if TYPE_CHECKING:
    from comfywire.server.messages.sockets import ClientSocket

__all__ = ["Cut", "HalfOpen", "SocketFaults", "StalledReader"]

Cut = Literal["close", "fin", "rst"]

LOOK_INTERVAL = 0.002
STALLING_BYTES = 4 * 1024 * 1024  # more than loopback's buffers hold once they are told to be small


@dataclass(slots=True)
class HalfOpen:
    """Connections that the server neither reads nor writes any more."""

    sockets: list[ClientSocket]

    def end(self) -> None:
        """Let the server notice: its handler ends late, and takes a newer socket of the clientId along."""
        for each in self.sockets:
            reset(each.request.transport)


@dataclass(slots=True)
class StalledReader:
    """A foreign connection that does not read, so that the server's one publish loop waits for it."""

    client_id: str
    writer: asyncio.StreamWriter

    def release(self) -> None:
        """Let the peer die; what was held up is sent, in order."""
        reset(self.writer.transport)


@dataclass(eq=False, slots=True, kw_only=True)
class _Deafness(Rule):
    client_id: str | None = None


@dataclass(slots=True)
class SocketFaults:
    """``server.faults.sockets``."""

    attachment: Attachment
    deafness: RuleList = field(default_factory=RuleList)
    stalled: list[StalledReader] = field(default_factory=list)
    half_opened: list[HalfOpen] = field(default_factory=list)

    async def cut(self, how: Cut = "rst", *, client_id: str | None = None) -> int:
        """Cut the open sockets of ``client_id``, or all.

        Args:
            how: ``close`` sends a close frame first, ``fin`` just ends the connection, ``rst`` resets it.
            client_id: Whose, None for everybody's.

        Returns:
            How many were cut.

        """
        sockets = self._sockets(client_id)
        for each in sockets:
            transport = each.request.transport
            if how == "close":
                await each.ws.close(code=1001, message=b"going away")
            elif how == "fin" and transport is not None:
                transport.close()
            else:
                reset(transport)
        return len(sockets)

    def half_open(self, *, client_id: str | None = None) -> HalfOpen:
        """Stop reading and writing the open sockets, and tell nobody: not even a ping is answered."""
        opened = HalfOpen(self._sockets(client_id))
        for each in opened.sockets:
            each.is_frozen = True
            if isinstance(each.request.transport, asyncio.ReadTransport):
                each.request.transport.pause_reading()
        self.half_opened.append(opened)
        return opened

    def end_half_open(self) -> None:
        """End the handlers of every half-open socket, as the server does when TCP gives up at last."""
        for opened in self.half_opened:
            opened.end()
        self.half_opened = []

    def deafen(self, *, client_id: str | None = None, future: int | None = 0) -> Rule:
        """Send the open sockets nothing more; they stay open, greet and answer pings.

        Args:
            client_id: Whose, None for everybody's.
            future: How many of the sockets that open later are deaf as well, None for all of them.

        """
        for each in self._sockets(client_id):
            each.is_deaf = True
        return self.deafness.add(_Deafness(times=future, client_id=client_id))

    async def stalled_reader(self) -> StalledReader:
        """Connect a foreign client that never reads, and give the server more for it than fits on the way.

        Every message after that waits, for all clients; HTTP goes on (server.py, publish_loop, 0.3.64).
        Returns when the server is stuck.
        """
        life = self.attachment.life
        client_id = f"stalled-{uuid.uuid4()}"
        writer = await _connect(self.attachment.server.address, client_id)
        await self.attachment.server.until(lambda: client_id in life.sockets.by_sid)
        shrink_buffer(life.sockets.by_sid[client_id].request.transport)
        life.publisher.put(Message("comfywire_stall", {"padding": "x" * STALLING_BYTES}, client_id))
        while life.publisher.sending_to != client_id:  # noqa: ASYNC110 - being stuck sets no event
            await asyncio.sleep(LOOK_INTERVAL)
        stalled = StalledReader(client_id, writer)
        self.stalled.append(stalled)
        return stalled

    def on_open(self, socket: ClientSocket) -> None:
        """Make a new socket deaf if a rule says so."""
        for rule in self.deafness.rules:
            if isinstance(rule, _Deafness) and rule.client_id in (None, socket.sid) and rule.strike():
                socket.is_deaf = True

    def clear(self) -> None:
        """Release what is stalled, and let new sockets hear; cut ones stay cut."""
        self.deafness.clear()
        for stalled in self.stalled:
            stalled.release()
        self.stalled = []
        self.end_half_open()

    def _sockets(self, client_id: str | None) -> list[ClientSocket]:
        opened = self.attachment.life.sockets.opened
        return [each for each in opened if client_id in (None, each.sid)]


async def _connect(address: str, client_id: str) -> asyncio.StreamWriter:
    """Open /ws by hand, with the smallest window there is, and never read."""
    host, _, port = address.rpartition(":")
    connection = network.socket(network.AF_INET6 if host.startswith("[") else network.AF_INET)
    connection.setsockopt(network.SOL_SOCKET, network.SO_RCVBUF, 2048)
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, (host.strip("[]"), int(port)))
    reader, writer = await asyncio.open_connection(sock=connection, limit=1)
    key = base64.b64encode(os.urandom(16)).decode()
    writer.write(
        f"GET /ws?clientId={client_id} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
    )
    del reader
    return writer
