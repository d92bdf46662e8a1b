"""One open ``/ws``: frames in order until it closes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import aiohttp

from comfywire.errors import ServerError

from .address import Address
from .failures import as_ours

__all__ = ["Socket", "open_socket"]

# The first frame, and only the first, may negotiate (server.py, websocket_handler, 0.3.64); the flag must
# be JSON true.
FLAGS = json.dumps({"type": "feature_flags", "data": {"supports_preview_metadata": True}})
CLOSE_TIMEOUT = 2.0


class Socket:
    """A socket that was opened and has negotiated; close it with :meth:`close`.

    It pings now and then, since proxies close what is idle for a minute. An answer is not waited for: a
    server that is busy loading a model answers late, and one that has forgotten the socket answers, too.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, *, ping_interval: float) -> None:
        self._socket = socket
        self._ping_interval = ping_interval

    async def frames(self) -> AsyncIterator[str | bytes]:
        """Yield each frame; end when the socket closes, whatever the reason."""
        pinging = asyncio.create_task(self._ping(), name="comfywire ping")
        try:
            while True:
                frame = await self._socket.receive()
                if frame.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                    return
                yield frame.data
        finally:
            pinging.cancel()

    async def _ping(self) -> None:
        try:
            while True:
                await asyncio.sleep(self._ping_interval)
                await self._socket.ping()
        except (aiohttp.ClientError, OSError):
            return  # the reader sees the close itself

    async def close(self) -> None:
        """Close with a handshake, so that the server has ended its handler when this returns."""
        await self._socket.close()


async def open_socket(
    session: aiohttp.ClientSession,
    address: Address,
    path: str,
    client_id: str,
    *,
    frame_bytes: int,
    ping_interval: float,
) -> Socket:
    """Open the socket of ``client_id`` and negotiate preview metadata with its first frame.

    Raises:
        ConnectionFailed: The server was not reached.
        ServerError: It refused the socket.

    """
    with as_ours("opening the socket", address.url):
        try:
            socket = await session.ws_connect(
                address.socket(path, client_id),
                headers=dict(address.headers),
                max_msg_size=frame_bytes,
                timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_TIMEOUT),
                compress=0,  # loopback and GPU machines: bandwidth is cheaper than time
            )
        except aiohttp.WSServerHandshakeError as error:  # its repr has all headers, so it is no cause
            what = f"the socket was refused: {error.message}"
            raise ServerError(error.status, "GET", path, what) from None
        try:
            await socket.send_str(FLAGS)
        except BaseException:
            await socket.close()
            raise
        return Socket(socket, ping_interval=ping_interval)
