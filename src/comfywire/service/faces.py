"""The whole application: the Comfy API v2, and beside it the faces of the service for other programs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fastapi import FastAPI
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from comfywire.service.api.app import create_app as create_api
from comfywire.service.api.errors import Dialects, envelope
from comfywire.service.core import Core
from comfywire.service.native.app import attach
from comfywire.service.openai import images, models, videos
from comfywire.service.openai.errors import openai_response
from comfywire.service.router import catalogue, runs
from comfywire.service.router.errors import router_response

__all__ = ["create_app"]


def create_app(core: Core) -> FastAPI:
    """Return the application that serves ``core`` to everybody; see the API's own ``create_app``."""
    routers = [images.router, models.router, videos.router, catalogue.router, runs.router]
    dialects = Dialects({"/v1/": openai_response, "/v2/models": router_response})
    app = create_api(core, routers, dialects)
    app.router.routes.append(Route("/mcp", endpoint=Agents(core), methods=None, include_in_schema=False))
    attach(app, core.settings, dialects)
    return app


class Agents:
    """What answers agents; without the extra, it says how to get it.

    The package that it needs is imported with the first of them: it is a quarter of what a start of the
    service computes, and 17 MB, and most services have no agents.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._face: ASGIApp | None = None
        self._making = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        async with self._making:
            if self._face is None:
                self._face = await self._made()
        await self._face(scope, receive, send)

    async def _made(self) -> ASGIApp:
        try:
            face = await asyncio.to_thread(_face)  # others are answered meanwhile
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] not in ("mcp", "mcp_types"):
                raise
            words = "agents need the service's extra 'mcp': install it with the service"
            return JSONResponse(envelope("not_installed", words), 501)
        return face(self._core)


def _face() -> Callable[[Core], ASGIApp]:
    from comfywire.service.mcp.face import Face  # noqa: PLC0415 - of the extra, and see Agents

    return Face
