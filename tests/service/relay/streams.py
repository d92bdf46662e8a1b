"""Somebody at ``/ws`` of the native face, as programs are there."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import websockets

FLAGS = json.dumps({"type": "feature_flags", "data": {"supports_preview_metadata": True}})
PASSING = ("progress", "progress_state", "binary")


class Stream:
    """One socket and all that it was told."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self.socket = socket
        self.told: list[tuple[str, Any]] = []

    async def next(self) -> tuple[str, Any]:
        """The next message: its type and its data; of a picture, its bytes."""
        frame = await self.socket.recv()
        if isinstance(frame, bytes):
            self.told.append(("binary", frame))
        else:
            message = json.loads(frame)
            self.told.append((message["type"], message["data"]))
        return self.told[-1]

    async def until(
        self, condition: Callable[[str, Any], bool], *, seconds: float = 60
    ) -> list[tuple[str, Any]]:
        """Read on until a message is as wanted; all that was told so far."""
        async with asyncio.timeout(seconds):
            while not condition(*await self.next()):
                pass
        return self.told

    async def until_over(self, prompt_id: str, *, seconds: float = 60) -> list[tuple[str, Any]]:
        """Read on until a prompt has ended, as programs know it."""
        return await self.until(
            lambda kind, told: kind == "executing" and told == {"node": None, "prompt_id": prompt_id},
            seconds=seconds,
        )

    def kinds(self, *but: str) -> list[str]:
        """The types of what was told."""
        return [kind for kind, _ in self.told if kind not in but]

    def of(self, kind: str) -> list[Any]:
        """What was told with this type."""
        return [told for word, told in self.told if word == kind]


@contextlib.asynccontextmanager
async def stream(
    url: str, client_id: str | None = None, *, path: str = "/ws", flags: str | None = None, **options: Any
) -> AsyncIterator[Stream]:
    """A socket that was greeted."""
    query = "" if client_id is None else f"?clientId={client_id}"
    address = url.replace("http", "ws", 1) + path + query
    async with websockets.connect(address, max_size=None, open_timeout=60, **options) as socket:
        stream = Stream(socket)
        if flags is not None:
            await socket.send(flags)
        await stream.until(lambda kind, told: kind == "status" and "sid" in told)
        yield stream
