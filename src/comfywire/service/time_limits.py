"""Work on a stranger's workflow in a thread that is ended when it takes too long.

A small file can ask for much work: nodes that feed all others, subgraphs in subgraphs. What is known of that
is bounded where it is done. This bounds the rest, in time and in share: each key has one such thread.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Hashable
from typing import TypeVar

from comfywire.errors import ComfywireError

from .daemon_threads import DaemonThreads

__all__ = ["TakesTooLong", "in_time"]

SECONDS = 10.0
"""A workflow of a thousand nodes takes half a second."""
AGAIN = 1.0
"""Seconds until it is raised again: what is raised in a ``__del__`` is swallowed by Python."""
T = TypeVar("T")
_THREADS = DaemonThreads("workflow files", most=2, most_per_owner=1)


class TakesTooLong(ComfywireError):
    """A workflow was read, converted or described for longer than is allowed."""

    code = "workflow_takes_too_long"
    http_status = 422


async def in_time(function: Callable[[], T], *, owner: Hashable, seconds: float = SECONDS) -> T:
    """Return what ``function`` returns, called in a thread; wait while ``owner`` has one already.

    Cancelling ends the wait; the thread ends by itself, after ``seconds`` at the latest. One call into C,
    such as :func:`json.loads`, is not ended: bound what it is given.

    Raises:
        TakesTooLong: It did not return within ``seconds``.

    """
    return await _THREADS.run(lambda: _limited(function, seconds), owner=owner, waits=True)


def _limited(function: Callable[[], T], seconds: float) -> T:
    limit = _Limit()
    try:
        try:
            limit.begin(seconds)
            return function()
        finally:
            limit.lift()
    except _TimeIsUp:
        raise TakesTooLong(
            f"this workflow takes longer than {seconds:g} s to be read: make it smaller, or send API format"
        ) from None


class _TimeIsUp(BaseException):
    """Raised from outside in the thread of a call; no ``except Exception`` on the way takes it."""


class _Limit:
    """The time of one call, made in the thread of that call."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()
        self._lock = threading.Lock()
        self._is_lifted = False
        self._timer: threading.Timer | None = None

    def begin(self, seconds: float) -> None:
        """Have :meth:`end` called in so many seconds."""
        self._timer = threading.Timer(seconds, self.end)
        self._timer.daemon = True
        self._timer.start()

    def end(self) -> None:
        """Raise in the thread, unless its call has returned; once more where what was raised is swallowed."""
        with self._lock:
            if not self._is_lifted:
                raised = ctypes.py_object(_TimeIsUp)
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread), raised)
                self.begin(AGAIN)

    def lift(self) -> None:
        """Say that the call has returned."""
        with self._lock:
            self._is_lifted = True
        if self._timer is not None:
            self._timer.cancel()
