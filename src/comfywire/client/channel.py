"""Events on their way to one reader, who may be slow: the reader waits for nothing, and holds up nobody."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from comfywire.protocol.messages import PreviewImage, Progress, ProgressState
from comfywire.protocol.session import Event

__all__ = ["Channel"]

PREVIEWS = 2
"""Previews that wait at the same time; older ones are dropped, the newest is kept."""
CAPACITY = 256
"""Events that wait before superseded progress is dropped; what happened once is never dropped."""


class Channel:
    """A bounded buffer of events; :meth:`put` never waits, iteration ends after :meth:`close`."""

    def __init__(self) -> None:
        self._waiting: deque[Event] = deque()
        self._previews = 0
        self._ready = asyncio.Event()
        self._is_closed = False

    def put(self, event: Event) -> None:
        """Add ``event``, dropping what it supersedes where the reader is behind."""
        if isinstance(event, PreviewImage):
            if self._previews >= PREVIEWS:
                self._drop_first(PreviewImage)
                self._previews -= 1
            self._previews += 1
        elif len(self._waiting) >= CAPACITY:
            self._drop_first(Progress, ProgressState)
        self._waiting.append(event)
        self._ready.set()

    def close(self) -> None:
        """Let the reader take what is waiting, and then end."""
        self._is_closed = True
        self._ready.set()

    def _drop_first(self, *kinds: type) -> None:
        for place, event in enumerate(self._waiting):
            if isinstance(event, kinds):
                del self._waiting[place]
                return

    async def __aiter__(self) -> AsyncIterator[Event]:
        while True:
            while self._waiting:
                event = self._waiting.popleft()
                self._previews -= isinstance(event, PreviewImage)
                yield event
            if self._is_closed:
                return
            self._ready.clear()
            await self._ready.wait()
