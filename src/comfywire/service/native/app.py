"""Everything of ComfyUI's own API, put onto the service's application."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import FastAPI
from starlette.routing import BaseRoute, Route, WebSocketRoute

from comfywire.service.api.errors import Dialects
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
from comfywire.service.native.editor import internal, packs, page, userdata
from comfywire.service.native.editor.home import Home
from comfywire.service.native.face import refusal, words_alone
from comfywire.service.native.route_table import RouteTable
from comfywire.service.settings import Settings

__all__ = ["attach"]


def attach(app: FastAPI, settings: Settings, dialects: Dialects) -> None:
    """Have ``app`` answer on ComfyUI's own routes as well, with ``/api`` before them and without.

    Args:
        app: The service's application.
        settings: Which parts are there.
        dialects: Is told that errors on these routes have ComfyUI's shape, whoever finds them.

    Raises:
        NoEditor: The editor is wanted, and is not installed.

    """
    home = None if settings.native_home is None else Home(settings.native_home)
    classes = catalogue.FleetCatalogue()
    routes: list[BaseRoute] = [
        *prompts.ROUTES,
        *queue.ROUTES,
        *history.routes_of(history.History()),
        *jobs.routes_of(),
        *view.ROUTES,
        *uploads.ROUTES,
        *catalogue.routes_of(classes),
        *models.ROUTES,
        *system.ROUTES,
        *sockets.ROUTES,
        *tooling.routes_of(home),
        *page.routes_for_scripts(settings),
        *packs.routes_of(settings, home, classes),
        *userdata.ROUTES,
        *internal.ROUTES,
    ]
    app.router.routes.extend([*routes, *page.routes_of(settings)])
    app.router.routes.insert(0, RouteTable(routes))
    taken = _taken(routes)
    theirs = taken - packs.OWN
    dialects.add(lambda path: _root_of(path) == "etn", words_alone)
    dialects.add(lambda path: _root_of(path) in theirs or path.endswith("/v2/userdata"), refusal)
    if home is not None:
        app.router.routes.append(packs.fallback_of(home, taken))
    roots = {route.path.split("/")[1] for route in routes if isinstance(route, Route | WebSocketRoute)}
    app.add_middleware(PathRewriter, roots=roots)


def _root_of(path: str) -> str:
    """Return the first part of a path, behind ``/api`` if that stands before it."""
    return f"{path.removeprefix('/api')}/".split("/")[1]


def _taken(routes: Sequence[BaseRoute]) -> set[str]:
    """Return the first parts of the paths of ComfyUI's own API, those behind ``/api`` among them."""
    parts = [path.split("/") for route in routes if (path := getattr(route, "path", ""))]
    below = {path[2] for path in parts if path[1] == "api" and len(path) > 2}
    return ({path[1] for path in parts} | below) - {"api", "etn"}
