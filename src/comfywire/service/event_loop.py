"""The event loop that the service's processes run on."""

from __future__ import annotations

import asyncio
import sys

__all__ = ["new_event_loop"]


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Return a loop of uvloop's; on Windows, which uvloop does not support, asyncio's selector loop.

    psycopg does not work on the proactor loop, which is asyncio's default on Windows.
    """
    if sys.platform == "win32":
        return asyncio.SelectorEventLoop()
    import uvloop  # noqa: PLC0415

    return uvloop.new_event_loop()
