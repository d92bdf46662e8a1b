"""Work on files in a thread of its own, which is never left behind with a file in its hands."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from functools import partial
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
    call = partial(contextvars.copy_context().run, work, *args, **named)
    working = asyncio.get_running_loop().run_in_executor(None, call)  # no task: a job has three such calls
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        await asyncio.gather(working, return_exceptions=True)
        raise
