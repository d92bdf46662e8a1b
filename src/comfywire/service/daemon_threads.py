"""Threads for calls that may never return: an operator's own hooks, names whose DNS servers do not answer.

asyncio's pool has few threads, and the service's file work needs them; uvloop's libuv looks names up in four
threads for the whole process. A call that hangs must block neither. So each call here has a thread of its
own, out of a bounded number, and each owner has fewer still: one tenant's hanging calls leave threads for the
others. The threads are daemons, so that a process which stops does not wait for them.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections import Counter
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from comfywire.errors import ComfywireError

__all__ = ["DaemonThreads", "NoThreadFree"]

T = TypeVar("T")


class NoThreadFree(ComfywireError):
    """Every thread is held by a call that has not returned."""


class DaemonThreads:
    """A bounded number of threads, one for each call.

    Args:
        name: What the threads are for, in the name of each thread and in errors.
        most: How many calls there may be at a time.
        most_per_owner: How many of those one owner may have.

    """

    def __init__(self, name: str, *, most: int, most_per_owner: int) -> None:
        self._name = name
        self._most = most
        self._most_per_owner = most_per_owner
        self._held: Counter[Hashable] = Counter()
        self._lock = threading.Lock()
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def run(self, function: Callable[[], T], *, owner: Hashable = None, waits: bool = False) -> T:
        """Return what ``function`` returns; cancelling ends the wait, and leaves the thread held until then.

        Args:
            function: What to call.
            owner: Whose call it is, such as a key's id.
            waits: Whether to wait for a thread when none is free.

        Raises:
            NoThreadFree: All threads are held, or as many as one owner may hold, and ``waits`` is False.

        """
        loop = asyncio.get_running_loop()
        while not self._take(owner, (loop, released := asyncio.Event()) if waits else None):
            if not waits:
                raise NoThreadFree(f"all threads for {self._name} are held by calls that do not return")
            await released.wait()
        result: asyncio.Future[T] = loop.create_future()
        context = contextvars.copy_context()
        call = _Call(loop, result, lambda: context.run(function), lambda: self._release(owner))
        threading.Thread(target=call, name=f"comfywire {self._name}", daemon=True).start()
        return await result

    def _take(self, owner: Hashable, waiter: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None) -> bool:
        """Take a thread, or register ``waiter`` for the next one that is released.

        Both happen under one lock, so that no release falls between the look and the registration.
        """
        with self._lock:
            if self._held.total() < self._most and self._held[owner] < self._most_per_owner:
                self._held[owner] += 1
                return True
            if waiter is not None:
                self._waiting.append(waiter)
            return False

    def _release(self, owner: Hashable) -> None:
        with self._lock:
            self._held[owner] -= 1
            if not self._held[owner]:
                del self._held[owner]
            # All waiters look again, not the first alone: its owner may have as many threads as it may.
            woken, self._waiting = self._waiting, []
        for loop, event in woken:
            _call_in(loop, event.set)


class _Call:
    """One call in its thread; the result goes back to the event loop that waits for it."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        result: asyncio.Future[Any],
        function: Callable[[], Any],
        release: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._result = result
        self._function = function
        self._release = release

    def __call__(self) -> None:
        try:
            value, error = self._function(), None
        except BaseException as raised:  # noqa: BLE001 - it is raised again where it is awaited
            value, error = None, raised
        self._release()
        _call_in(self._loop, lambda: self._settle(value, error))

    def _settle(self, value: Any, error: BaseException | None) -> None:
        if self._result.done():
            return  # the caller was cancelled in the meantime
        if error is None:
            self._result.set_result(value)
        else:
            self._result.set_exception(error)


def _call_in(loop: asyncio.AbstractEventLoop, function: Callable[[], object]) -> None:
    try:
        loop.call_soon_threadsafe(function)
    except RuntimeError:
        return  # the loop was closed, and with it every caller that waited
