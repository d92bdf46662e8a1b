"""The event loop in a background thread on which every blocking client runs."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, wait
from typing import Any, TypeVar

__all__ = ["LOOP", "Loop"]

Value = TypeVar("Value")
TICK = 0.2
"""Seconds after which Windows' Python sees that Ctrl-C was pressed."""


class Loop:
    """The background loop that all blocking clients share; it ends with the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def wait(self, work: Coroutine[Any, Any, Value]) -> Value:
        """Return what ``work`` returns; Ctrl-C cancels it, waits until it has cleaned up, and goes on.

        Raises:
            RuntimeError: This is a callback, which the loop itself waits for.

        """
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError("a callback runs in the background loop and cannot wait for it")
        tasks: list[asyncio.Task[Any]] = []

        async def noted() -> Value:
            tasks.extend(filter(None, [asyncio.current_task()]))
            return await work

        future = asyncio.run_coroutine_threadsafe(noted(), self._running())
        try:
            _until_done(future)
            return future.result()
        finally:
            if not future.done():  # Ctrl-C, or whatever else was raised in this thread meanwhile
                asyncio.run_coroutine_threadsafe(_stop(tasks), self._running()).result()

    def call(self, function: Callable[[], Value]) -> Value:
        """Return what ``function`` returns in the loop's thread, where nothing changes meanwhile."""
        if threading.current_thread() is self._thread:
            return function()

        async def call() -> Value:
            return function()

        return self.wait(call())

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="comfywire", daemon=True)
                self._thread.start()
            return self._loop


def _until_done(future: Future[Any], *, system: str = os.name) -> None:
    """Wait in ticks where a wait without an end cannot be interrupted: on Windows."""
    while system == "nt" and not future.done():
        wait([future], TICK)


async def _stop(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


LOOP = Loop()
