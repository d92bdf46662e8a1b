"""ComfyUIs that other workers look after, visited to see what has become of a job there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from comfywire.service.fleet.registry import Registry
from comfywire.service.jobs.leases import patiently
from comfywire.service.sealing import Sealer
from comfywire.service.worker.fleet_server import FleetServer

__all__ = ["Visits"]


class Visits:
    """Finds the server of a URL: one of our own, or one that is opened for as long as a job of ours is there.

    Args:
        servers: Those that the worker looks after, by URL.
        registry: Knows the addresses of the others.
        sealer: Opens them.
        new_server: Makes a server of an address.

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
        """Return the server of ``url``, open; :meth:`leave` it when nothing of ours is there any more."""
        async with self._moving:
            if (known := self._servers.get(url) or self._visited.get(url)) is not None:
                return known
            sealed = await patiently(lambda: self._registry.address(url))
            address = url if sealed is None else str(self._sealer.open(sealed)["address"])
            server = await self._new_server(address).__aenter__()
            self._visited[url] = server
            return server

    async def leave(self, server: FleetServer) -> None:
        """Close a server that was visited, unless another job of ours is there."""
        if self._visited.get(server.url) is not server:
            return
        async with self._moving:
            # Asked again: while this waited, somebody else may have left it, or have come with a job.
            if self._visited.get(server.url) is server and not server.state.open:
                del self._visited[server.url]
                await server.__aexit__(None, None, None)

    async def close(self) -> None:
        """Leave them all."""
        for server in self._visited.values():
            await server.__aexit__(None, None, None)
