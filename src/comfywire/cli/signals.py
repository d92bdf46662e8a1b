"""What Ctrl-C does to a command: on every system the same."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator, Sequence

__all__ = ["STOPPING", "called_on"]

STOPPING = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def called_on(numbers: Sequence[signal.Signals], call: Callable[[], object]) -> Iterator[None]:
    """Have ``call`` called in the running loop when one of the signals comes, inside the context.

    Outside of the main thread, where no signals arrive, nothing is done.
    """
    loop = asyncio.get_running_loop()
    with contextlib.ExitStack() as undo:
        for number in numbers:
            with contextlib.suppress(RuntimeError, ValueError):  # not the main thread
                undo.callback(_call_on(loop, number, call))
        yield


def _call_on(
    loop: asyncio.AbstractEventLoop, number: signal.Signals, call: Callable[[], object]
) -> Callable[[], object]:
    """Return what undoes it."""
    try:
        loop.add_signal_handler(number, call)
    except NotImplementedError:  # loops of Windows have none; Python itself takes Ctrl-C, and wakes the loop
        before = signal.signal(number, lambda *_: loop.call_soon_threadsafe(call))
        return lambda: signal.signal(number, before)
    return lambda: loop.remove_signal_handler(number)
