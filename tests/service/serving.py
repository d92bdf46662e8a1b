"""An application behind a real socket, and who asks it."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from comfywire.service.core import Core
from comfywire.service.faces import create_app

WORKED_OUT: dict[int, BaseRoute] = {}


def _shared(route: BaseRoute) -> BaseRoute:
    router = getattr(route, "original_router", None)  # of those that were included
    return route if router is None else WORKED_OUT.setdefault(id(router), route)


def application(core: Core) -> FastAPI:
    """Return the service's application for one test.

    What a route takes is worked out by FastAPI with the first request, which is a fifth of what a test costs:
    the applications of one process, whose routes are the same, share what the first one found out.
    """
    app = create_app(core)
    app.router.routes[:] = [_shared(route) for route in app.router.routes]
    return app


class Uvicorn(uvicorn.Server):
    """uvicorn that ends when it is told to.

    It looks for that ten times a second, and then waits for a tenth more: the longest part of many a test.
    """

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(uvicorn.Config(app, log_config=None, lifespan="off"))
        self.told = asyncio.Event()

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self.told.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for listening in sockets or []:
            listening.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()  # at once, or after the answer that it is at
        while self.server_state.connections or self.server_state.tasks:  # noqa: ASYNC110 - it has no event for it
            await asyncio.sleep(0.001)
        for server in self.servers:
            await server.wait_closed()


@contextlib.asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[str]:
    """Serve ``app``; lend its URL. Connections wait in the socket until it is up."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = Uvicorn(app)
    task = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.told.set()
        await task


def asking(**options: Any) -> httpx.AsyncClient:
    """httpx, without the authorities of TLS: reading them takes 25 ms, and nobody here speaks it.

    An answer may take longer than httpx's five seconds where the machine is at other work.
    """
    return httpx.AsyncClient(verify=False, **{"timeout": 60, **options})
