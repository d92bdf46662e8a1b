"""One followed prompt, as those who wait for it and read its events see it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from comfywire.errors import ComfywireError
from comfywire.protocol.messages import PreviewImage, Progress, ProgressState
from comfywire.protocol.session import Event
from comfywire.protocol.tracked import Tracked

from .channel import Channel

__all__ = ["Frame", "Listener", "Watch"]

Frame = str | bytes
"""A message as it came over the socket."""
Listener = Callable[[Event, Frame], None]
PASSING = (PreviewImage, Progress, ProgressState)


class Watch:
    """One prompt as its handle sees it."""

    def __init__(self, tracked: Tracked) -> None:
        self.tracked = tracked
        self.channels: list[Channel] = []
        self.listeners: list[Listener] = []
        self.past: list[tuple[Event, Frame]] = []
        """What happened once, for readers who come late; progress and previews are superseded."""
        self.standing: list[tuple[Event, Frame]] = []
        """The newest snapshot of the nodes, for listeners who come late; none or one."""
        self.failure: ComfywireError | None = None
        self.is_cancelled = False
        """Whether we asked the server to let go of it."""
        self.settled = asyncio.Event()
        """Set once the prompt is known to be queued, or is over."""
        self.over = asyncio.Event()
        """Set once nothing more will come."""

    def tell(self, event: Event, frame: Frame) -> None:
        """Hand ``event``, which came in ``frame``, to every reader."""
        self.settled.set()
        if not isinstance(event, PASSING):
            self.past.append((event, frame))
        elif isinstance(event, ProgressState):
            self.standing = [(event, frame)]
        for listener in list(self.listeners):
            listener(event, frame)
        for channel in self.channels:
            channel.put(event)

    def finish(self) -> None:
        """End every reader's stream."""
        self.settled.set()
        self.over.set()
        for channel in self.channels:
            channel.close()
