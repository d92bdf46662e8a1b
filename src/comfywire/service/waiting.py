"""Waiting for an event, but not for ever."""

from __future__ import annotations

import asyncio
import contextlib

__all__ = ["set_within"]


async def set_within(event: asyncio.Event, seconds: float) -> bool:
    """Wait until ``event`` is set, ``seconds`` at most; return whether it is.

    Not ``asyncio.wait_for``: in Python 3.11 that swallows a cancellation which comes with the event.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()
