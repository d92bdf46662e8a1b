"""What a process that was told to stop waits for: programs that would break if it went at once."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence

from .core import Core
from .http_server import HttpServer

__all__ = ["see_out"]

LOOK_EVERY = 0.1
log = logging.getLogger("comfywire.service")


async def see_out(core: Core, servers: Sequence[HttpServer]) -> None:
    """Wait until whoever is connected has what it waits for, for as long as a worker has for its jobs.

    Those are programs with a socket of ComfyUI's own API, which end with it, those that ask there again and
    again, unless somebody else answers them by now, and those whose answers are on their way. What they ask
    meanwhile is answered, by this process or by the next one.
    """
    core.is_leaving.set()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(core.settings.drain_timeout):
            if await _is_waited_on(core, servers):
                log.info(
                    "told to stop: programs wait for their results, and have %g s more; a second signal ends "
                    "this at once",
                    core.settings.drain_timeout,
                )
            while await _is_waited_on(core, servers):  # noqa: ASYNC110 - the database is asked
                await asyncio.sleep(LOOK_EVERY)


async def _is_waited_on(core: Core, servers: Sequence[HttpServer]) -> bool:
    is_alone = not any(server.answers.are_last for server in servers)
    return any(server.answers.open for server in servers) or await core.hub.is_waited_on(is_alone=is_alone)
