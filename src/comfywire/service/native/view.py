"""/view: the bytes of an output, of whichever ComfyUI made it, or of an upload of the caller's."""

from __future__ import annotations

import asyncio
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from comfywire.service.access.callers import Caller
from comfywire.service.api.content import content
from comfywire.service.assets.by_name import assets_by_name
from comfywire.service.assets.file_names import FileName
from comfywire.service.assets.naming import named_as
from comfywire.service.assets.records import AssetRecord, path_of
from comfywire.service.core import Core
from comfywire.service.jobs.native_names import place_of
from comfywire.service.jobs.native_prompts import NativePrompts
from comfywire.service.native.face import routes
from comfywire.service.native.pictures import changed

__all__ = ["FOLDERS", "ROUTES", "found", "output_of"]

FOLDERS = ("output", "input", "temp")
WAIT = 30.0
"""Seconds for which a file is waited for that its job has shown, and that is on its way to the store."""


async def view(request: Request, core: Core, caller: Caller) -> Response:
    """Return a file, or a part of it, or a picture of it as ``preview`` and ``channel`` want it."""
    query = request.query_params
    if "filename" not in query:
        return Response(status_code=404)
    file = FileName.of(query["filename"])
    folder = file.folder if file.path != query["filename"] else query.get("type", "output")
    if not file.path or file.path.startswith("/") or ".." in file.path or folder not in FOLDERS:
        return Response(status_code=400)
    subfolder = query.get("subfolder", "").replace("\\", "/")
    if subfolder.startswith("/") or ".." in subfolder.split("/"):
        return Response(status_code=403)
    name = file.path.replace("\\", "/").rpartition("/")[
        2
    ]  # of a path only the name counts (server.py, view_image)
    asset = await found(core, caller.key_id, folder, subfolder.rstrip("/"), name)
    if asset is None:
        return Response(status_code=404)
    if "preview" in query or query.get("channel") in ("rgb", "a"):
        return await changed(core.assets, asset, query.get("preview"), query.get("channel", "rgba"))
    return await content(request, core.assets, asset)


async def found(core: Core, key_id: UUID, folder: str, subfolder: str, name: str) -> AssetRecord | None:
    """Return the file that a key means by this name; None if it has none."""
    if (place := place_of(subfolder, name)) is not None:
        asset_id = await output_of(core, key_id, place[0], path_of(place[1]))
    else:
        text = named_as(subfolder, name, folder)
        asset_id = (await assets_by_name(core.database, key_id, [text])).get(text)
    return None if asset_id is None else await core.assets.get(asset_id, key_id)


async def output_of(core: Core, key_id: UUID, job_id: UUID, path: str) -> UUID | None:
    """Return the asset of an output; while its job is open, wait until the store has it."""
    prompts = NativePrompts(core.database)
    known = await prompts.output(key_id, job_id, path)
    if known is None or known[0] is not None or known[1]:
        return None if known is None else known[0]
    try:
        async with asyncio.timeout(WAIT), core.broker.watch(job_id) as live:
            while True:
                change = live.next_change()
                known = await prompts.output(key_id, job_id, path)
                if known is None or known[0] is not None or known[1] or live.is_closed:
                    return None if known is None else known[0]
                await change.wait()
    except TimeoutError:
        return None


ROUTES = [*routes("/view", view)]
