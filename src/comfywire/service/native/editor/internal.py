"""/internal: what the editor's own panels ask of its server, as far as a fleet has it (0.33.0)."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from comfywire.service.access.callers import Caller
from comfywire.service.assets.naming import upload_names
from comfywire.service.core import Core
from comfywire.service.native.face import Handler, routes
from comfywire.service.native.view import FOLDERS

__all__ = ["ROUTES"]

TERMINAL = {"cols": 80, "rows": 24}


async def files(request: Request, core: Core, caller: Caller) -> Response:
    """List the caller's uploads; outputs are in the jobs, and not in one folder for everybody."""
    folder = request.path_params["folder"]
    if folder not in FOLDERS:
        return JSONResponse({"error": "Invalid directory type"}, 400)
    names = await upload_names(core.database, caller.key_id) if folder == "input" else []
    return JSONResponse([f"{name} [{folder}]" for name in names if "/" not in name])


def _saying(body: Any) -> Handler:
    """Say the same to everybody: logs and folders of a ComfyUI are its operator's."""

    async def say(request: Request, core: Core, caller: Caller) -> Response:
        del request, core, caller
        return JSONResponse(body)

    return say


async def subscribe(request: Request, core: Core, caller: Caller) -> Response:
    """Take it in that the editor wants new lines of the log: there are none."""
    del request, core, caller
    return Response()


def _bare(path: str, handler: Handler, *methods: str) -> list[Route]:
    """Return the route without ``/api``: these are not below it."""
    return routes(path, handler, *methods)[:1]


ROUTES = [
    *_bare("/internal/logs", _saying("")),
    *_bare("/internal/logs/raw", _saying({"entries": [], "size": TERMINAL})),
    *_bare("/internal/logs/subscribe", subscribe, "PATCH"),
    *_bare("/internal/folder_paths", _saying({})),
    *_bare("/internal/files/{folder}", files),
]
