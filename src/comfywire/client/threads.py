"""Work on files in a thread of its own, which is never left behind with a file in its hands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

__all__ = ["in_thread"]

Arguments = ParamSpec("Arguments")
Value = TypeVar("Value")


async def in_thread(
    work: Callable[Arguments, Value], *args: Arguments.args, **named: Arguments.kwargs
) -> Value:
    """Return what ``work`` returns, called in a thread.

    When this is cancelled the thread is waited for, since it cannot be stopped and holds a file, or starts a
    program: whoever cleans up afterwards must not meet it at work.
    """
    working = asyncio.ensure_future(asyncio.to_thread(work, *args, **named))
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        await asyncio.gather(working, return_exceptions=True)
        raise
