"""What Ctrl-C does to a command: on every system the same."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator, Sequence

__all__ = ["STOPPING", "called_on"]

STOPPING = (signal.SIGINT, signal.SIGTERM)
WAKES_EVERY = 0.2


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
    except NotImplementedError:  # loops of Windows have none; Python itself takes Ctrl-C
        with contextlib.ExitStack() as undo:
            before = signal.signal(number, lambda *_: loop.call_soon_threadsafe(call))
            undo.callback(signal.signal, number, before)
            undo.enter_context(_awake(loop))
            return undo.pop_all().close
    return lambda: loop.remove_signal_handler(number)


@contextlib.contextmanager
def _awake(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Wake the loop again and again inside.

    Python calls a handler between two of its own steps. A signal that comes just before the loop begins to
    wait for the next event is heard with that event, which may never come.
    """

    async def wake() -> None:
        while True:  # noqa: ASYNC110 - waking is what it is for
            await asyncio.sleep(WAKES_EVERY)

    waking = loop.create_task(wake(), name="comfywire wakes for signals")
    try:
        yield
    finally:
        waking.cancel()
