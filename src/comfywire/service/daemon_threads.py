"""Threads for calls that may never return: somebody else's code, names whose servers do not answer.

asyncio's own pool has few threads, and the service's file work needs them; libuv looks names up in four, for
the whole process. What hangs here holds a thread of its own, a bounded number of them, and fewer for each
tenant. They are daemons, so that a process which stops does not wait for them.
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
        name: What they are for.
        most: Calls at a time.
        most_per_owner: Calls at a time of one owner.

    """

    def __init__(self, name: str, *, most: int, most_per_owner: int) -> None:
        self._name = name
        self._most = most
        self._most_per_owner = most_per_owner
        self._held: Counter[Hashable] = Counter()
        self._lock = threading.Lock()
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def run(self, function: Callable[[], T], *, owner: Hashable = None, waits: bool = False) -> T:
        """Return what ``function`` returns. Cancelling leaves its thread to it, and held until it returns.

        Args:
            function: What to call.
            owner: Whose call it is.
            waits: Whether to wait for a thread that becomes free.

        Raises:
            NoThreadFree: All are held, or as many as one owner may hold, and this does not wait.

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
        """Take a thread; where none is free, ``waiter`` is told of the next that is, under the same lock."""
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
            woken, self._waiting = self._waiting, []
        for loop, event in woken:
            _call_in(loop, event.set)


class _Call:
    """One call in its thread."""

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
            return  # nobody waits any more
        if error is None:
            self._result.set_result(value)
        else:
            self._result.set_exception(error)


def _call_in(loop: asyncio.AbstractEventLoop, function: Callable[[], object]) -> None:
    try:
        loop.call_soon_threadsafe(function)
    except RuntimeError:
        return  # the loop was closed: nobody waits any more
