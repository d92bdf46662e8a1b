"""Visits ComfyUIs that other workers look after, to see what has become of an adopted job there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from comfywire.service.fleet.registry import Registry
from comfywire.service.jobs.leases import patiently
from comfywire.service.sealing import Sealer
from comfywire.service.worker.fleet_server import FleetServer

__all__ = ["Visits"]


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
