"""Frames on their way to one socket, whose reader may be slow: it holds up nobody."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator

from comfywire.service.relay.said import PASSING

__all__ = ["Outbox"]

CAPACITY = 128
"""Frames that wait before what is superseded anyway is dropped; what happened once is not."""
MOST_FRAMES, MOST_BYTES = 2_000, 64 << 20
"""What waits for a reader that is behind; one that is further behind has lost its socket."""
Frame = str | bytes


class Outbox:
    """A bounded buffer of frames: :meth:`put` never waits, iteration ends after :meth:`close`.

    Attributes:
        has_overflowed: Whether the reader was so slow that frames were lost, which it has to be told.

    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[str, Frame]] = deque()
        self._bytes = 0
        self._ready = asyncio.Event()
        self._is_closed = False
        self.has_overflowed = False

    @property
    def is_empty(self) -> bool:
        """Whether the reader has taken everything."""
        return not self._waiting

    def put(self, kind: str, frame: Frame) -> None:
        """Add a frame."""
        if self._is_closed:
            return
        if len(self._waiting) >= CAPACITY:
            self._drop_one()
        self._waiting.append((kind, frame))
        self._bytes += len(frame)
        if len(self._waiting) > MOST_FRAMES or self._bytes > MOST_BYTES:
            self.has_overflowed = True
            self._waiting.clear()
            self._is_closed = True
        self._ready.set()

    def close(self) -> None:
        """Let the reader take what is waiting, and then end."""
        self._is_closed = True
        self._ready.set()

    def _drop_one(self) -> None:
        """Drop the oldest frame that a later one supersedes."""
        for place, (kind, frame) in enumerate(self._waiting):
            if kind in PASSING:
                self._bytes -= len(frame)
                del self._waiting[place]
                return

    async def frames(self) -> AsyncGenerator[Frame]:
        """Yield each frame, until there will be no more."""
        while True:
            while self._waiting:
                _, frame = self._waiting.popleft()
                self._bytes -= len(frame)
                yield frame
            if self._is_closed:
                return
            self._ready.clear()
            await self._ready.wait()
