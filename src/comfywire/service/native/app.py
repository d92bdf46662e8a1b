"""Everything of ComfyUI's own API, put onto the service's application."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.routing import BaseRoute, Route, WebSocketRoute

from comfywire.service.native import (
    catalogue,
    history,
    jobs,
    models,
    prompts,
    queue,
    sockets,
    system,
    tooling,
    uploads,
    view,
)
from comfywire.service.native.addresses import PathRewriter
from comfywire.service.native.editor import internal, page, userdata
from comfywire.service.native.route_table import RouteTable
from comfywire.service.settings import Settings

__all__ = ["attach"]


def attach(app: FastAPI, settings: Settings) -> None:
    """Have ``app`` answer on ComfyUI's own routes as well, with ``/api`` before them and without.

    Raises:
        NoEditor: The editor is wanted, and is not installed.

    """
    routes: list[BaseRoute] = [
        *prompts.ROUTES,
        *queue.ROUTES,
        *history.routes_of(history.History()),
        *jobs.routes_of(),
        *view.ROUTES,
        *uploads.ROUTES,
        *catalogue.routes_of(catalogue.FleetCatalogue()),
        *models.ROUTES,
        *system.ROUTES,
        *sockets.ROUTES,
        *tooling.ROUTES,
        *userdata.ROUTES,
        *internal.ROUTES,
    ]
    app.router.routes.extend([*routes, *page.routes_of(settings)])
    app.router.routes.insert(0, RouteTable(routes))
    roots = {route.path.split("/")[1] for route in routes if isinstance(route, Route | WebSocketRoute)}
    app.add_middleware(PathRewriter, roots=roots)
