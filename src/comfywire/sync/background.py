"""The event loop in a background thread on which every blocking client runs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future, wait
from typing import Any, TypeVar

__all__ = ["LOOP", "Loop"]

Value = TypeVar("Value")
TOGETHER = 1.0
"""Seconds within which several Ctrl-C are one: a shell and a wrapper may each send one for the same key."""
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

        Another Ctrl-C within a second is the same one; a later one does not wait for the cleaning up.

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

        with _one_interrupt():
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


@contextlib.contextmanager
def _one_interrupt() -> Iterator[None]:
    """Have Ctrl-C that come together call the program's handler once.

    A KeyboardInterrupt may be raised between any two lines, also where the first one is seen to: what catches
    the second has to be the handler itself.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    handled_at = -TOGETHER

    def handle(number: int, frame: Any) -> None:
        nonlocal handled_at
        if time.monotonic() - handled_at >= TOGETHER:
            handled_at = time.monotonic()
            before(number, frame)

    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _until_done(future: Future[Any], *, system: str = os.name) -> None:
    """Wait in ticks where a wait without an end cannot be interrupted: on Windows."""
    while system == "nt" and not future.done():
        wait([future], TICK)


async def _stop(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


LOOP = Loop()
