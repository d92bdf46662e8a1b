"""ComfyUIs beside those that a worker was started with: visited for a job there, or added over the API."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from functools import partial

from comfywire.service.database.outage import AWAY, patiently
from comfywire.service.fleet.added import AddedServer, AddedServers
from comfywire.service.fleet.registry import Registry
from comfywire.service.sealing import Sealer
from comfywire.service.waiting import set_within
from comfywire.service.worker.duties import for_ever
from comfywire.service.worker.fleet_server import FleetServer
from comfywire.service.worker.pace import Pace

__all__ = ["Added", "Visits"]

log = logging.getLogger("comfywire.service")


class Visits:
    """Finds the server of a URL: one of this worker's own, or one that is visited.

    A visited server is open for as long as a job that this worker follows is there.

    Args:
        servers: The servers that this worker looks after, by URL.
        registry: Has the addresses of the other workers' servers, sealed since they contain credentials.
        sealer: Opens those addresses.
        new_server: Makes a server from an address.

    """

    def __init__(
        self,
        servers: Mapping[str, FleetServer],
        registry: Registry,
        sealer: Sealer,
        new_server: Callable[[str], FleetServer],
    ) -> None:
        self._servers = servers
        self._registry = registry
        self._sealer = sealer
        self._new_server = new_server
        self._visited: dict[str, FleetServer] = {}
        self._moving = asyncio.Lock()

    async def at(self, url: str) -> FleetServer:
        """Return the server of ``url``, open; the caller calls :meth:`leave` when its job there has ended."""
        async with self._moving:
            if (open_server := self._servers.get(url) or self._visited.get(url)) is not None:
                return open_server
            sealed = await patiently(lambda: self._registry.address(url))
            address = url if sealed is None else str(self._sealer.open(sealed)["address"])
            server = await self._new_server(address).__aenter__()
            self._visited[url] = server
            return server

    async def leave(self, server: FleetServer) -> None:
        """Close a server that was visited, unless this worker follows another job there."""
        if self._visited.get(server.url) is not server:
            return
        async with self._moving:
            # Asked again under the lock: while this waited for it, another job's task may have closed the
            # server, or another job may have arrived there.
            if self._visited.get(server.url) is server and not server.state.open:
                del self._visited[server.url]
                await server.__aexit__(None, None, None)

    async def close(self) -> None:
        """Close every server that is visited."""
        for server in self._visited.values():
            await server.__aexit__(None, None, None)


class Added:
    """Takes up servers that were added, and lets go of those that are another worker's or nobody's any more.

    Args:
        book: Which there are.
        servers: All servers of the worker by URL, to which these are added.
        new_server: Makes a server of one that was added.
        watch: Keeps what is known of a server up to date, for ever.
        worker: The worker's name.
        pace: How long to wait between one thing and the next.

    """

    def __init__(
        self,
        book: AddedServers,
        servers: MutableMapping[str, FleetServer],
        new_server: Callable[[AddedServer], FleetServer],
        watch: Callable[[FleetServer], Awaitable[None]],
        *,
        worker: str,
        pace: Pace,
    ) -> None:
        self._book = book
        self._servers = servers
        self._new_server = new_server
        self._watch = watch
        self._worker = worker
        self._pace = pace
        self._held: dict[str, FleetServer] = {}
        self._watches: dict[str, asyncio.Task[None]] = {}
        self._leaving: set[str] = set()
        self._is_asked = asyncio.Event()

    def look_now(self) -> None:
        """Look at once: one was added or removed, or another worker has left its servers."""
        self._is_asked.set()

    async def run(self) -> None:
        """Look after them, for ever; cancelling ends the looking, and :meth:`close` lets go of them."""
        async with asyncio.TaskGroup() as group:
            for server in self._held.values():
                self._begin(group, server)
            while True:
                self._is_asked.clear()
                with contextlib.suppress(*AWAY):
                    await self._look(group)
                # One that is on its way out is let go of a moment later: nobody is about to choose it then.
                await set_within(self._is_asked, self._pace.duty if self._leaving else self._pace.queue)

    async def close(self) -> None:
        """Let go of all of them."""
        for url in list(self._held):
            await self._let_go(url)

    async def _look(self, group: asyncio.TaskGroup) -> None:
        wanted = {server.url: server for server in await self._book.claim(self._worker)}
        for url, given in wanted.items():
            if url not in self._servers:
                server = await self._new_server(given).__aenter__()
                self._servers[url] = self._held[url] = server
                log.info("%s was added", url)
                self._begin(group, server)
        for url in self._held.keys() - wanted.keys():
            await self._leave(url)
        self._leaving &= self._held.keys() - wanted.keys()

    async def _leave(self, url: str) -> None:
        """Take no more jobs for it; in the round after, once no job of ours is there, let go of it."""
        server = self._held[url]
        server.state.want("drained")
        if url in self._leaving and not server.state.open:
            await self._let_go(url)
            await self._book.forget(url)
            log.info("%s was removed", url)
        else:
            self._leaving.add(url)

    async def _let_go(self, url: str) -> None:
        self._servers.pop(url, None)
        server = self._held.pop(url)
        task = self._watches.pop(url, None)
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        await server.__aexit__(None, None, None)

    def _begin(self, group: asyncio.TaskGroup, server: FleetServer) -> None:
        watching = for_ever(f"watch {server.url}", partial(self._watch, server), pause=self._pace.duty)
        self._watches[server.url] = group.create_task(watching, name=f"comfywire watch {server.url}")
