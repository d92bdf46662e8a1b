"""The whole application: the Comfy API v2, and beside it the faces of the service for other programs."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp

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
    app.router.routes.append(Route("/mcp", endpoint=_mcp(core), methods=None, include_in_schema=False))
    attach(app, core.settings, dialects)
    return app


def _mcp(core: Core) -> ASGIApp:
    """Return what answers agents; without the extra, one who says how to get it."""
    try:
        from comfywire.service.mcp.face import Face  # noqa: PLC0415 - of the extra
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("mcp", "mcp_types"):
            raise
        body = envelope("not_installed", "agents need the service's extra 'mcp': install it with the service")
        return JSONResponse(body, 501)
    return Face(core)
