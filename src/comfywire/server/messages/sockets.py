"""GET /ws: one socket per clientId, with the registration bug that clients must survive."""

from __future__ import annotations

import json
import logging
import uuid
from typing import TYPE_CHECKING, Any

from aiohttp import WSMsgType, web

if TYPE_CHECKING:
    from collections.abc import Callable

    from comfywire.server.messages.current import Current

__all__ = ["ClientSocket", "ClientSockets"]

log = logging.getLogger("comfywire.server")


class ClientSocket:
    """One connection to /ws."""

    def __init__(self, ws: web.WebSocketResponse, request: web.Request, sid: str) -> None:
        self.ws = ws
        self.request = request
        self.sid = sid
        self.is_deaf = False
        self.is_frozen = False

    def drop(self) -> None:
        """Cut the connection without a close frame."""
        if self.request.transport is not None:
            self.request.transport.abort()

    async def send(self, frame: str | bytes) -> None:
        """Send one frame; waits while the peer does not read. A dead peer is not an error (server.py)."""
        if self.is_frozen:
            return
        try:
            if isinstance(frame, str):
                await self.ws.send_str(frame)
            else:
                await self.ws.send_bytes(frame)
        except (ConnectionError, RuntimeError) as error:
            log.debug("send error: %s", error)


class ClientSockets:
    """The registry ``clientId -> socket``, and the handler that fills and empties it.

    Args:
        current: Where the worker is.
        queue_info: Returns what ``status`` says of the queue.
        features: Returns the server's flags, for who negotiates.
        on_open: Told each new socket before it is greeted, so that it may be made deaf.

    """

    def __init__(
        self,
        current: Current,
        *,
        queue_info: Callable[[], dict[str, Any]],
        features: Callable[[], dict[str, Any]],
        on_open: Callable[[ClientSocket], None],
    ) -> None:
        self._current = current
        self._queue_info = queue_info
        self._features = features
        self._on_open = on_open
        self.by_sid: dict[str, ClientSocket] = {}
        self.flags: dict[str, dict[str, Any]] = {}
        self.opened: list[ClientSocket] = []

    def receivers(self, sid: str | None) -> list[ClientSocket]:
        """Return who a message goes to: everybody registered, or the one socket of ``sid`` if it is there."""
        if sid is None:
            return list(self.by_sid.values())
        socket = self.by_sid.get(sid)
        return [] if socket is None else [socket]

    def wants_preview_metadata(self, sid: str | None) -> bool:
        """Tell whether that client negotiated previews with metadata; only JSON ``true`` counts."""
        return self.flags.get(sid or "", {}).get("supports_preview_metadata") is True

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Serve one socket until it ends."""
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        sid = request.query.get("clientId", "") or uuid.uuid4().hex
        socket = ClientSocket(ws, request, sid)
        # A second socket of a clientId takes the first one's place; the first stays open and hears nothing.
        self.by_sid[sid] = socket
        self.flags[sid] = {}
        self.opened.append(socket)
        self._on_open(socket)
        try:
            await self._greet(socket)
            await self._listen(socket)
        finally:
            # By clientId, not by socket: an old handler that ends late unregisters the new socket
            # (server.py, websocket_handler, 0.3.64 and 0.33.0; comfyui-protocol.md 2.1).
            self.by_sid.pop(sid, None)
            self.flags.pop(sid, None)
            self.opened.remove(socket)
        return ws

    async def _greet(self, socket: ClientSocket) -> None:
        await self._send_now("status", {"status": self._queue_info(), "sid": socket.sid}, socket.sid)
        node_id = self._current.node_id
        if self._current.client_id == socket.sid and node_id is not None:
            # Without a prompt_id (server.py, websocket_handler).
            await self._send_now("executing", {"node": node_id}, socket.sid)

    async def _send_now(self, event: str, payload: dict[str, Any], sid: str) -> None:
        """Send past the publish queue, which a stalled peer may hold up."""
        for socket in self.receivers(sid):
            await socket.send(json.dumps({"type": event, "data": payload}))

    async def _listen(self, socket: ClientSocket) -> None:
        is_first = True
        async for frame in socket.ws:
            if frame.type is not WSMsgType.TEXT:
                continue
            try:
                message = json.loads(frame.data)
                if is_first and message.get("type") == "feature_flags":
                    self.flags[socket.sid] = message.get("data", {})
                    await self._send_now("feature_flags", self._features(), socket.sid)
                is_first = False
            except (ValueError, AttributeError) as error:
                log.debug("ignored a frame of %s: %s", socket.sid, error)
