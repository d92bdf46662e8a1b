"""/models, /embeddings: which model files the fleet has, on any ComfyUI: a job goes where its files are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from comfywire.service.access.callers import Caller
from comfywire.service.core import Core
from comfywire.service.fleet.registry import Registry
from comfywire.service.native.face import routes

__all__ = ["ROUTES", "models_of"]


async def folders(request: Request, core: Core, caller: Caller) -> Response:
    """List the kinds of models."""
    del request, caller
    return JSONResponse(list(await models_of(core)))


async def folder(request: Request, core: Core, caller: Caller) -> Response:
    """List the models of a kind; one that no ComfyUI knows is a 404."""
    del caller
    names = (await models_of(core)).get(request.path_params["folder"])
    return Response(status_code=404) if names is None else JSONResponse(names)


async def folders_with_paths(request: Request, core: Core, caller: Caller) -> Response:
    """List the kinds of models as the editor asks for them, without their places on a disk."""
    del request, caller
    return JSONResponse([{"name": name, "folders": []} for name in await models_of(core)])


async def files(request: Request, core: Core, caller: Caller) -> Response:
    """List the models of a kind, as the editor's model library asks."""
    del caller
    names = (await models_of(core)).get(request.path_params["folder"])
    if names is None:
        return Response(status_code=404)
    return JSONResponse([{"name": name, "pathIndex": 0} for name in names])


async def embeddings(request: Request, core: Core, caller: Caller) -> Response:
    """List the embeddings that any ComfyUI has, without their suffix."""
    del request, caller
    listed = [facts.get("embeddings") for facts in await _facts(core)]
    return JSONResponse(_joined(listed))


async def models_of(core: Core) -> dict[str, list[str]]:
    """Return the files of each folder of models that any ComfyUI of the fleet has."""
    found: dict[str, list[Any]] = {}
    for facts in await _facts(core):
        for name, names in (facts.get("models") or {}).items():
            found.setdefault(name, []).append(names)
    return {name: _joined(lists) for name, lists in found.items()}


async def _facts(core: Core) -> list[dict[str, Any]]:
    return [server["facts"] for server in await Registry(core.database).facts()]


def _joined(lists: Iterable[Any]) -> list[str]:
    """Return what several servers have; a list of one alone keeps its order."""
    return list(dict.fromkeys(name for listed in lists for name in listed or () if isinstance(name, str)))


ROUTES = [
    *routes("/models", folders),
    *routes("/models/{folder}", folder),
    *routes("/embeddings", embeddings),
    *routes("/experiment/models", folders_with_paths),
    *routes("/experiment/models/{folder}", files),
]
