"""/api/etn: the routes of the node pack comfyui-tooling-nodes (api.py, 3.3.0), for krita-ai-diffusion.

Pictures on their way in and out are the caller's, kept by the service; what models are made for is what any
ComfyUI of the fleet says of them. A fleet has it as far as its ComfyUIs have the pack. Errors are texts, as
the pack's are: the plugin shows them to its user.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from comfywire.errors import ComfywireError
from comfywire.service.access.callers import Caller
from comfywire.service.api.content import content
from comfywire.service.assets.by_name import assets_by_name
from comfywire.service.assets.cached_pictures import FOLDER, place_of_id, upload_of_id
from comfywire.service.assets.naming import keep_named
from comfywire.service.core import Core
from comfywire.service.fleet.registry import Registry
from comfywire.service.native.editor.home import Home
from comfywire.service.native.face import BadRequest, json_body, routes, words_alone, words_of
from comfywire.service.native.models import models_of
from comfywire.service.native.pictures import LARGEST
from comfywire.service.native.uploads import counted
from comfywire.service.native.view import output_of

__all__ = ["routes_of"]

AN_ID = re.compile(r"[\w.-]{1,200}", re.ASCII)
PICTURES = re.compile(r"image/(png|jpeg|webp)")
ANY_TYPE = "application/octet-stream"
LARGEST_MODEL = 16 << 30
KEPT_FOR = 3600
"""Seconds for which a picture waits for a job; a ComfyUI keeps it for ten minutes, if it needs the room."""


async def put_picture(request: Request, core: Core, caller: Caller) -> Response:
    """Keep a picture for jobs that will name it; other bytes under a name that is taken come in its place."""
    name, kind = request.path_params["id"], request.headers.get("content-type", ANY_TYPE)
    if not AN_ID.fullmatch(name):
        raise BadRequest("a picture's id is up to 200 letters, digits, '.', '_' and '-'")
    async with core.assets.staged(counted(request, LARGEST)) as staged:
        await keep_named(
            core.assets,
            staged,
            caller.key_id,
            name=name,
            subfolder=FOLDER,
            folder="temp",
            content_type=kind if PICTURES.fullmatch(kind) else ANY_TYPE,
            overwrite=True,
            expires_in=KEPT_FOR,
        )
    return JSONResponse({"status": "success"}, 201)


async def get_picture(request: Request, core: Core, caller: Caller) -> Response:
    """Return a picture that a node has made, while its job still runs, too, or one that was put here."""
    name = request.path_params["id"]
    if (place := place_of_id(name)) is not None:
        asset_id = await output_of(core, caller.key_id, *place)
    else:
        path = upload_of_id(name)
        asset_id = (await assets_by_name(core.database, caller.key_id, [path])).get(path)
    asset = None if asset_id is None else await core.assets.get(asset_id, caller.key_id)
    if asset is None:
        return JSONResponse({"error": "Image not found"}, 404)
    return await content(request, core.assets, asset)


async def model_info(request: Request, core: Core, caller: Caller) -> Response:
    """Say what the models of a folder are made for, page by page if a ``limit`` is named."""
    del caller
    folder = request.path_params.get("folder", "checkpoints")
    offset, limit = _number(request, "offset", 0), _number(request, "limit", 1000)
    known: dict[str, Any] = {}
    for server in await Registry(core.database).facts():
        known = {**((server["facts"].get("model_info") or {}).get(folder) or {}), **known}
    page = dict(list(known.items())[offset : offset + limit])
    if "limit" in request.query_params:
        page["_meta"] = {"offset": offset, "count": len(page), "total": len(known)}
    return JSONResponse(page)


async def languages(request: Request, core: Core, caller: Caller) -> Response:
    """List no language to translate from: that is done by one ComfyUI, and not by a fleet."""
    del request, core, caller
    return JSONResponse([])


class NotOfAFleet(ComfywireError):
    """Something that one ComfyUI can do, and a fleet cannot."""

    code = "not_of_a_fleet"
    http_status = 501


async def upload(request: Request, core: Core, caller: Caller) -> Response:
    """Say that a model is there already, or why it cannot be sent: it would be on one ComfyUI alone.

    It is read all the same: who is cut off while sending shows no answer.
    """
    del caller
    folder, name = request.path_params["folder"], request.path_params["name"]
    async for _ in counted(request, LARGEST_MODEL):
        pass
    if name in (await models_of(core)).get(folder, ()):
        return JSONResponse({"status": "cached"})
    raise NotOfAFleet(
        f"models are not uploaded to a fleet: put {name!r} into models/{folder} of its ComfyUIs"
    )


async def subscribe(request: Request, core: Core, caller: Caller) -> Response:
    """Take notice of who wants to hear of workflows that editors publish; none does, see :func:`publish`."""
    del core, caller
    if "client_id" not in words_of(await json_body(request)):
        raise BadRequest("'client_id' is missing")
    return JSONResponse({"status": "success"})


async def publish(request: Request, core: Core, caller: Caller) -> Response:
    """Say that nobody would hear of it."""
    del request, core, caller
    raise NotOfAFleet("workflows are not passed on to Krita here: save it in the editor, and load it there")


def _number(request: Request, name: str, default: int) -> int:
    try:
        return max(0, int(request.query_params.get(name, default)))
    except ValueError:
        raise BadRequest(f"{name!r} is no whole number") from None


def routes_of(home: Home | None) -> list[Route]:
    """Return the routes; a home server answers the others of the pack, languages among them."""
    here = partial(routes, tell=words_alone)
    return [
        *here("/api/etn/image/{id}", get_picture),
        *here("/api/etn/image/{id}", put_picture, "PUT", scope="submit"),
        *here("/api/etn/model_info", model_info),
        *here("/api/etn/model_info/{folder}", model_info),
        *here("/api/etn/workflow/subscribe", subscribe, "POST"),
        *here("/api/etn/workflow/unsubscribe", subscribe, "POST"),
        *here("/api/etn/workflow/publish", publish, "POST", scope="submit"),
        *([] if home is not None else here("/api/etn/languages", languages)),
        *([] if home is not None else here("/api/etn/upload/{folder}/{name}", upload, "PUT", scope="submit")),
    ]
