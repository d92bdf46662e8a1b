"""What the service's processes run on: their event loop, and how seldom Python looks for garbage."""

from __future__ import annotations

import asyncio
import gc
import sys

__all__ = ["new_event_loop", "spare_the_collector"]

YOUNG, MIDDLE, OLD = 20_000, 20, 20
"""New objects after which Python looks for circles among them, and looks that make one at older objects."""


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Return a loop of uvloop's; on Windows, which uvloop does not support, asyncio's selector loop.

    psycopg does not work on the proactor loop, which is asyncio's default on Windows.
    """
    if sys.platform == "win32":
        return asyncio.SelectorEventLoop()
    import uvloop  # noqa: PLC0415

    return uvloop.new_event_loop()


def spare_the_collector() -> None:
    """Have Python's collector look seldom, and never again at what is there now; called once all is loaded.

    A job makes some thousand objects, nearly none in a circle, and Python would look after each 700: that
    costs a twentieth of a job's processor time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
