"""Waiting for an event, but not for ever."""

from __future__ import annotations

import asyncio
import contextlib

__all__ = ["set_within"]


async def set_within(event: asyncio.Event, seconds: float) -> bool:
    """Wait until ``event`` is set, ``seconds`` at most; return whether it is.

    Not ``asyncio.wait_for``: in Python 3.11 it swallows a cancellation that arrives together with the event,
    so that a loop which was told to end would go on.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()
