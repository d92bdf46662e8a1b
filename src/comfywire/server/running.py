"""The server as a program, and in a thread for code without an event loop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from typing import TYPE_CHECKING, Any

from comfywire.server.embedded import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["run", "serve_forever", "server_in_thread"]

TICK = 0.5
"""Seconds after which a wait begins anew: Windows' Python sees Ctrl-C only between two."""


async def serve_forever(*, on_start: Callable[[Server], None] | None = None, **options: Any) -> None:
    """Serve until cancelled, then close cleanly.

    Args:
        on_start: Called once the server listens; print the address here.
        options: The arguments of :class:`Server`.

    Raises:
        OSError: The port is taken.

    """
    async with Server(**options) as server:
        if on_start is not None:
            on_start(server)
        await asyncio.Event().wait()


def run(*, on_start: Callable[[Server], None] | None = None, **options: Any) -> None:
    """Serve until Ctrl-C or SIGTERM, then close cleanly; what ``comfywire server`` calls.

    Args:
        on_start: Called once the server listens; print the address here.
        options: The arguments of :class:`Server`: ``port``, ``host``, ``step_time``, ``folder``,
            ``profile``, ``previews``, ``nodes``, ``object_info``, ``tooling``, ``faults_over_http``,
            ``token``, ``max_upload_bytes``.

    Raises:
        OSError: The port is taken.

    """

    async def serve() -> None:
        serving = asyncio.current_task()
        assert serving is not None
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError):  # Windows has Ctrl-C only, as KeyboardInterrupt
                loop.add_signal_handler(number, serving.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await serve_forever(on_start=on_start, **options)

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve())


@contextlib.contextmanager
def server_in_thread(**options: Any) -> Iterator[Server]:
    """Serve from an event loop in a thread of its own, for synchronous tests.

    Its coroutines belong to that loop: ``server.wait(server.until_idle())`` waits for them from here, and
    ``server.call(function, ...)`` calls what acts at once, such as a fault that is not a rule.

    Args:
        options: The arguments of :class:`Server`.

    Raises:
        OSError: The port is taken.

    """
    started = threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    failures: list[BaseException] = []
    server = Server(**options)

    async def main() -> None:
        async with server:
            started.set()
            await stop.wait()

    def serve() -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                runner.run(main())
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            failures.append(error)
        finally:
            started.set()

    thread = threading.Thread(target=serve, name="comfywire server", daemon=True)
    thread.start()
    while not started.wait(TICK):
        pass
    try:
        if failures:
            raise failures[0]
        yield server
    finally:
        if thread.is_alive():
            loop.call_soon_threadsafe(stop.set)
        while thread.is_alive():
            thread.join(TICK)
