"""The event loop that the service's processes run on."""

from __future__ import annotations

import asyncio
import sys

__all__ = ["new_event_loop"]


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Return a loop of uvloop's, which there is for every system but Windows.

    There, psycopg works on the other of asyncio's own loops, not on the one that is the default.
    """
    if sys.platform == "win32":
        return asyncio.SelectorEventLoop()
    import uvloop  # noqa: PLC0415

    return uvloop.new_event_loop()
