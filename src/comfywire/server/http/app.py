"""The aiohttp application: every route twice, as ``/X`` and ``/api/X``, and what stands before them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlparse, urlsplit

from aiohttp import web

from comfywire.server.faults.over_http import FaultRoutes
from comfywire.server.http.access import is_loopback, require_token
from comfywire.server.http.catalogue import CatalogueRoutes
from comfywire.server.http.files import FileRoutes
from comfywire.server.http.jobs import JobRoutes
from comfywire.server.http.models import ModelRoutes
from comfywire.server.http.page import PageRoutes
from comfywire.server.http.prompts import PromptRoutes
from comfywire.server.http.tooling import ToolingRoutes
from comfywire.server.http.user import UserRoutes

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable

    from aiohttp.typedefs import Handler, Middleware

    from comfywire.server.prompt_server import PromptServer

__all__ = ["make_app", "route_name"]

OWN_ROUTES = "/comfywire/"  # no fault may keep a test from removing it
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def make_app(server: PromptServer, requests: Counter[str], *, changed: Callable[[], None]) -> web.Application:
    """Return the application of one server life.

    Args:
        server: Its state.
        requests: Counts each request as ``METHOD /route``, without the ``/api`` prefix.
        changed: Called with each request: something may have changed that somebody waits for.

    """
    app = web.Application(
        client_max_size=server.options.max_upload_bytes,
        middlewares=[
            _first(server, requests, changed),
            refuse_foreign_origins(
                is_new=server.options.is_new,
                is_loopback_only=bool(server.options.nodes) and not server.options.token,
            ),
            *([require_token(server.options.token)] if server.options.token else ()),
        ],
    )
    routes: list[web.RouteDef] = [
        web.get("/ws", server.sockets.serve),
        *PromptRoutes(server).routes(),
        *FileRoutes(server.folders, server.faults.files, is_new=server.options.is_new).routes(),
        *CatalogueRoutes(server).routes(),
        *ModelRoutes(server.folders, is_new=server.options.is_new).routes(),
        *UserRoutes(server.folders, is_new=server.options.is_new).routes(),
        *(JobRoutes(server).routes() if server.options.is_new else ()),
    ]
    app.add_routes([web.route(route.method, f"/api{route.path}", route.handler) for route in routes])
    app.add_routes(routes)
    app.add_routes(PageRoutes(server).routes())
    if server.options.tooling:
        app.add_routes(ToolingRoutes(server.pictures, server.folders).routes())
    if server.options.faults_over_http:
        app.add_routes(FaultRoutes(server.faults, server.runs).routes())
    # ComfyUI mounts its web pages at /, for GET only: other methods on unknown paths get 405, GET gets 404.
    app.router.add_get("/{path:.*}", _not_found)
    return app


def route_name(request: web.Request) -> str:
    """Return a request's ``METHOD /route``, with the route's own ``{placeholders}``; else ``/{path}``."""
    resource = request.match_info.route.resource
    path = "/{path}" if resource is None else resource.canonical
    return f"{request.method} {path.removeprefix('/api')}"


def _first(server: PromptServer, requests: Counter[str], changed: Callable[[], None]) -> Middleware:
    faults = server.faults.replies

    @web.middleware
    async def count_and_fail(request: web.Request, handler: Handler) -> web.StreamResponse:
        route = route_name(request)
        requests[route] += 1
        changed()
        if faults.rules.rules and not route.partition(" ")[2].startswith(OWN_ROUTES):
            return await faults.answer(route, request, handler)
        return await handler(request)

    return count_and_fail


def refuse_foreign_origins(*, is_new: bool, is_loopback_only: bool) -> Middleware:
    """Answer 403 when a browser's page from elsewhere asks (server.py, create_origin_only_middleware).

    With ``is_loopback_only`` a page is from elsewhere, too, whose own name was made to lead to this machine.
    ComfyUI lets such a page in; where nodes of somebody's own run, that would be whatever they can do. On a
    ``Host`` or ``Origin`` that cannot be read ComfyUI breaks down, with a 500; the answer here is 400.
    """

    @web.middleware
    async def refuse(request: web.Request, handler: Handler) -> web.StreamResponse:
        if is_new and request.headers.get("Sec-Fetch-Site") == "cross-site":
            return web.Response(status=403)
        origin = request.headers.get("Origin")
        try:
            is_foreign = origin is not None and (
                not _same_place(request.headers.get("Host", ""), origin)
                or (is_loopback_only and not is_loopback(urlsplit(origin.lower()).hostname or ""))
            )
        except ValueError:
            return web.Response(status=400, text="The Host or the Origin of this request is malformed.\n")
        if is_foreign:
            return web.Response(status=403)
        if request.method == "OPTIONS":
            return web.Response()  # whatever the path: a browser asks before it sends
        return await handler(request)

    return refuse


def _same_place(host: str, origin: str) -> bool:
    """Compare names, and ports if both have one; ``localhost`` and ``127.0.0.1`` differ."""
    here, there = urlsplit(f"//{host.lower()}"), urlparse(origin.lower())
    if here.hostname not in LOOPBACK or not there.hostname:
        return True
    if here.port is None or there.port is None:
        return here.hostname == there.hostname
    return here.netloc == there.netloc


async def _not_found(request: web.Request) -> web.StreamResponse:
    """Answer as the mount of ComfyUI's pages does: an empty stream of bytes."""
    del request
    return web.StreamResponse(status=404)
