"""The test servers of ``comfywire serve --demo``, at the same addresses at each start on a data folder.

What ran on them when their process was killed is asked for where it was, and found lost at once. Of addresses
that somebody else has meanwhile, the service is told that they are gone, with the same effect.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from comfywire.server import Server
    from comfywire.service.database.pool import Database

__all__ = ["DemoServers", "demo_servers"]

COUNT = 2
STEP_TIME = 0.1
"""Seconds a step of the demo's simulated models: slow enough to see progress."""
MEMORY = "demo-servers.json"
"""The file of their ports, in the data folder."""


@dataclass(frozen=True, slots=True)
class DemoServers:
    """Those that run.

    Attributes:
        ports: Where they listen.
        former: The ports that they had the last time.
        memory: Where to write that down; None while another process does on the same data.

    """

    ports: tuple[int, ...]
    former: tuple[int, ...] = ()
    memory: Path | None = field(default=None)

    @property
    def urls(self) -> tuple[str, ...]:
        """Their addresses."""
        return tuple(map(_url, self.ports))

    async def settle(self, database: Database) -> None:
        """Give up the addresses that they had and have no more, and remember those that they have."""
        from comfywire.service.fleet.registry import Registry  # noqa: PLC0415

        if self.memory is not None:
            left = [_url(port) for port in self.former if port not in self.ports]
            await Registry(database).are_gone(left)
            self.memory.write_text(json.dumps(self.ports), encoding="utf-8")


@contextlib.asynccontextmanager
async def demo_servers(data: Path) -> AsyncIterator[DemoServers]:
    """Run them inside, where they were the last time as far as those ports are free."""
    async with contextlib.AsyncExitStack() as stack:
        memory = stack.enter_context(_held(data / MEMORY))
        former = _ports(memory) if memory is not None else ()
        wanted = (*former, *[0] * COUNT)[:COUNT]
        ports = [await _started(stack, port) for port in wanted]
        yield DemoServers(tuple(ports), former, memory)


async def _started(stack: contextlib.AsyncExitStack, port: int) -> int:
    try:
        server = await stack.enter_async_context(_server(port))
    except OSError:  # somebody else has it by now
        server = await stack.enter_async_context(_server(0))
    return int(server.address.rpartition(":")[2])


def _server(port: int) -> Server:
    from comfywire.server import Server  # noqa: PLC0415 - NumPy and Pillow, of the extra `server`

    return Server(port=port, step_time=STEP_TIME)


@contextlib.contextmanager
def _held(memory: Path) -> Iterator[Path | None]:
    """Hold the file for as long as the servers of this process run: those that it names are dead then."""
    from comfywire.service.postgres.file_locks import lock_at_once  # noqa: PLC0415

    memory.parent.mkdir(parents=True, exist_ok=True)
    lock = lock_at_once(memory)
    try:
        yield None if lock is None else memory
    finally:
        if lock is not None:
            os.close(lock)


def _ports(memory: Path) -> tuple[int, ...]:
    """Return what was written down; nothing where that is not what we write."""
    try:
        found = json.loads(memory.read_text(encoding="utf-8") or "[]")
    except ValueError:
        return ()
    are_ports = isinstance(found, list) and all(
        isinstance(port, int) and 0 < port < 1 << 16 for port in found
    )
    return tuple(found[:COUNT]) if are_ports else ()


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}"
