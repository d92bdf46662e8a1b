"""One queue of messages for all sockets: in order, and held up as a whole by one peer that does not read."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

__all__ = ["Message", "Publisher"]


@dataclass(slots=True)
class Message:
    """A message on its way.

    Attributes:
        type: ComfyUI's word for it, or ``binary``.
        payload: Its ``data``: a dict, the JSON text of one, or the bytes of a binary frame.
        sid: The clientId it is for, None for everybody.
        prompt_id: The prompt it is about, as far as it says.

    """

    type: str
    payload: dict[str, Any] | str | bytes
    sid: str | None
    prompt_id: str | None = None

    def frame(self) -> str | bytes:
        """Return what goes over the wire."""
        if isinstance(self.payload, bytes):
            return self.payload
        if isinstance(self.payload, str):
            return f'{{"type": "{self.type}", "data": {self.payload}}}'
        return json.dumps({"type": self.type, "data": self.payload})


class Receiver(Protocol):
    """Who a message goes to: :class:`~comfywire.server.messages.sockets.ClientSocket`."""

    sid: str
    is_deaf: bool

    async def send(self, frame: str | bytes) -> None:
        """Send one frame; waits while the peer does not read."""


class Publisher:
    """Takes messages from any thread and sends them one after the other (server.py, publish_loop).

    Args:
        receivers: Returns who a message for this clientId, or for everybody, goes to.
        passes: Says whether a message is to be sent now; it may take its time, and send it itself.
        on_idle: Called whenever everything was sent.

    """

    def __init__(
        self,
        receivers: Callable[[str | None], Sequence[Receiver]],
        *,
        passes: Callable[[Message], Awaitable[bool]],
        on_idle: Callable[[], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._receivers = receivers
        self._passes = passes
        self._on_idle = on_idle
        self._waiting: deque[Message] = deque()
        self._is_scheduled = False
        self._wake = asyncio.Event()
        self._is_sending = False
        self.sending_to: str | None = None

    @property
    def is_idle(self) -> bool:
        """Whether every message that was queued is sent; one that another thread has just queued is not."""
        return not self._waiting and not self._is_sending

    def put(self, message: Message) -> None:
        """Queue a message; callable from any thread."""
        self._waiting.append(message)
        if not self._is_scheduled:
            # One wake-up for many messages: waking the loop costs more than sending does.
            self._is_scheduled = True
            with contextlib.suppress(RuntimeError):  # a node that did not let go outlived the loop
                self._loop.call_soon_threadsafe(self._wake.set)

    async def run(self) -> None:
        """Send until cancelled; what has not been sent by then is lost, as ComfyUI's is when it ends."""
        while True:
            self._is_sending = False
            if self.is_idle:
                self._on_idle()
            await self._wake.wait()
            self._wake.clear()
            self._is_scheduled = False
            self._is_sending = True
            while self._waiting:
                message = self._waiting.popleft()
                if await self._passes(message):
                    await self.send(message)

    async def send(self, message: Message) -> None:
        """Send one message to whoever is registered for it now."""
        receivers = self._receivers(message.sid)
        if not receivers:
            return
        frame = message.frame()
        for socket in receivers:
            if not socket.is_deaf:
                self.sending_to = socket.sid
                await socket.send(frame)
        self.sending_to = None
