"""What node packs add to a ComfyUI beside nodes: browser scripts, translations, templates, routes.

A fleet has none of it; a home server has that of its packs, if the operator names one. The editor has one
script of ours, which tells its user of nodes whose packs have none here, and that would send wrong values.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from comfywire.errors import ComfywireError
from comfywire.service.access.callers import Caller
from comfywire.service.api.context import core_of
from comfywire.service.api.guards import SAFE_METHODS
from comfywire.service.core import Core
from comfywire.service.native.callers import caller_for
from comfywire.service.native.catalogue import FleetCatalogue
from comfywire.service.native.editor.home import Home, HomeAway
from comfywire.service.native.editor.paths import first_of, parts_of
from comfywire.service.native.editor.scripts import NOTICE, PLACE, notice, packs_by_type, without
from comfywire.service.native.face import BadRequest, Handler, refusal, routes
from comfywire.service.native.uploads import counted
from comfywire.service.settings import Settings

__all__ = ["fallback_of", "routes_of"]

OPERATORS = frozenset({"comfyui_manager", "customnode", "externalmodel", "manager", "snapshot"})
"""Where ComfyUI-Manager answers, which restarts and installs on a GET, too."""
SHARED = frozenset({"assets", "internal", "tags", "viewvideo", "ws"})
"""Routes of newer ComfyUIs and of packs that show everybody's files, and sockets."""
OWN = frozenset({"api", "editor", "healthz", "k", "mcp", "metrics", "page", "readyz", "v1", "v2"})
"""Where the service's other faces answer."""
OTHER_SITES = ("cross-site", "same-site")
"""What ``Sec-Fetch-Site`` is when a page of another address is behind a request, also without ``Origin``."""
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
log = logging.getLogger("comfywire.service")


class _Routes:
    def __init__(self, home: Home | None, catalogue: FleetCatalogue, *, has_editor: bool) -> None:
        self._home = home
        self._catalogue = catalogue
        self._has_editor = has_editor

    async def extensions(self, request: Request, core: Core, caller: Caller) -> Response:
        """List the browser scripts."""
        del request, core, caller
        return JSONResponse([*await self._scripts(), *([NOTICE] if self._has_editor else [])])

    async def _scripts(self) -> list[str]:
        listed = await self._told("/extensions", [])
        return [one for one in listed if isinstance(one, str) and not one.startswith("/extensions/core/")]

    async def notice(self, request: Request, core: Core, caller: Caller) -> Response:
        """Return the script of ours."""
        del request, core, caller
        return Response(notice(), media_type="text/javascript", headers={"Cache-Control": "no-cache"})

    async def packs(self, request: Request, core: Core, caller: Caller) -> Response:
        """Say which node types need scripts that are not here."""
        del request, caller
        needed = packs_by_type(await self._catalogue.classes(core))
        return JSONResponse(without(needed, await self._scripts()))

    def told(self, path: str) -> Handler:
        """Return what answers a path as the home server does, and without one that there is nothing."""

        async def handler(request: Request, core: Core, caller: Caller) -> Response:
            del request, core, caller
            return JSONResponse(await self._told(path, {}))

        return handler

    async def _told(self, path: str, nothing: Any) -> Any:
        if self._home is None:
            return nothing
        try:
            told = await self._home.json(path)
        except HomeAway as error:
            log.warning("%s; it counts as having no scripts and templates meanwhile", error)
            return nothing
        return told if isinstance(told, type(nothing)) else nothing

    async def script(self, request: Request, core: Core, caller: Caller) -> Response:
        """Return a file of a pack that browsers load."""
        del core, caller
        return await _passed(self._home, request, is_script=True)

    async def template(self, request: Request, core: Core, caller: Caller) -> Response:
        """Return a pack's template of a workflow, or its picture."""
        del core, caller
        return await _passed(self._home, request)


async def _passed(home: Home | None, request: Request, *, is_script: bool = False) -> Response:
    if home is None or not parts_of(request.scope):
        return Response(status_code=404)
    body = None
    if request.method not in SAFE_METHODS:  # the guard lets some paths below /api/etn through, however long
        most = core_of(request).settings.max_body_bytes
        body = b"".join([chunk async for chunk in counted(request, most)])
    return await home.passed_on(request, request.scope["path"], body, is_script=is_script)


def routes_of(settings: Settings, home: Home | None, catalogue: FleetCatalogue) -> list[BaseRoute]:
    """Return the routes that are there with a home server and without."""
    handlers = _Routes(home, catalogue, has_editor=settings.editor)
    ours = (
        [*routes(NOTICE, handlers.notice), *routes(f"{PLACE}/packs.json", handlers.packs)]
        if settings.editor
        else []
    )
    listed = ("/i18n", "/workflow_templates", "/global_subgraphs", "/node_replacements")
    return [
        *routes("/extensions", handlers.extensions),
        *ours,
        *routes("/extensions/{path:path}", handlers.script),
        *routes("/workflow_templates/{path:path}", handlers.template),
        *(route for path in listed for route in routes(path, handlers.told(path))),
    ]


def fallback_of(home: Home, taken: Collection[str]) -> Route:
    """Return the last route, which passes on what only node packs can have.

    Args:
        home: Who answers.
        taken: First parts of paths, with ``/api`` before them and without, that are ComfyUI's own.

    """
    closed = {part.casefold() for part in (*taken, *SHARED, *OWN)}

    async def endpoint(request: Request) -> Response:
        first = first_of(parts_of(request.scope))
        if first in closed or not first:
            return JSONResponse({"detail": "Not Found"}, 404)
        is_look = request.method in SAFE_METHODS and first not in OPERATORS
        try:
            await (caller_for("read", request) if is_look else _operator(request))
            return await _passed(home, request)
        except ComfywireError as error:
            return refusal(error)

    return Route("/{path:path}", endpoint, methods=METHODS, include_in_schema=False)


async def _operator(request: Request) -> Caller:
    """Return the caller, an admin who means it: another site's link or picture makes a browser ask, too."""
    if request.headers.get("sec-fetch-site") in OTHER_SITES:
        raise BadRequest("pages of other sites may not ask for this: open it from the editor", 403)
    return await caller_for("admin", request, changes=True)
