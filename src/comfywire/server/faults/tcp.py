"""Ending a TCP connection in the ways in which they end."""

from __future__ import annotations

import asyncio
import socket
import struct

__all__ = ["reset", "shrink_buffer"]


def reset(transport: asyncio.BaseTransport | None) -> None:
    """Cut a connection with RST: what is under way is lost, and the peer gets an error, no end of file."""
    if not isinstance(transport, asyncio.WriteTransport):
        return
    connection = transport.get_extra_info("socket")
    if connection is not None and connection.fileno() >= 0:
        # Lingering for no time at all is what makes the kernel send RST.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def shrink_buffer(transport: asyncio.BaseTransport | None) -> None:
    """Let the kernel hold as little unread output as it can, so that a peer that does not read is felt."""
    connection = None if transport is None else transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
