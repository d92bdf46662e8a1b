"""One followed prompt, as those who wait for it and read its events see it."""

from __future__ import annotations

import asyncio

from comfywire.errors import ComfywireError
from comfywire.protocol.messages import PreviewImage, Progress, ProgressState
from comfywire.protocol.session import Event
from comfywire.protocol.tracked import Tracked

from .channel import Channel

__all__ = ["Watch"]

PASSING = (PreviewImage, Progress, ProgressState)


class Watch:
    """One prompt as its handle sees it."""

    def __init__(self, tracked: Tracked) -> None:
        self.tracked = tracked
        self.channels: list[Channel] = []
        self.past: list[Event] = []
        """What happened once, for readers who come late; progress and previews are superseded."""
        self.failure: ComfywireError | None = None
        self.is_cancelled = False
        """Whether we asked the server to let go of it."""
        self.settled = asyncio.Event()
        """Set once the prompt is known to be queued, or is over."""
        self.over = asyncio.Event()
        """Set once nothing more will come."""

    def tell(self, event: Event) -> None:
        """Hand ``event`` to every reader."""
        self.settled.set()
        if not isinstance(event, PASSING):
            self.past.append(event)
        for channel in self.channels:
            channel.put(event)

    def finish(self) -> None:
        """End every reader's stream."""
        self.settled.set()
        self.over.set()
        for channel in self.channels:
            channel.close()
