"""/upload/image and /upload/mask: files of the caller's, which are wherever a job of theirs runs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from comfywire.client.files.views import Unreadable, masked
from comfywire.service.access.callers import Caller
from comfywire.service.api.bodies.multipart import MalformedForm, Part, parts
from comfywire.service.assets.blobs import Staged
from comfywire.service.assets.naming import keep_named
from comfywire.service.assets.records import CONTENT_TYPE
from comfywire.service.core import Core
from comfywire.service.database.storable import must_be_storable
from comfywire.service.native.face import BadRequest, routes
from comfywire.service.native.pictures import LARGEST, bytes_of
from comfywire.service.native.view import FOLDERS, found

__all__ = ["ROUTES", "counted"]

ROOM_FOR_FIELDS = 1 << 20
MOST_FIELDS = 20
ANY_TYPE = "application/octet-stream"


@dataclass(slots=True)
class _Form:
    """What a form has: its texts, and the file: written, or in memory if it is a mask."""

    texts: dict[str, str] = field(default_factory=dict)
    staged: Staged | None = None
    mask: bytearray = field(default_factory=bytearray)
    name: str = ""
    content_type: str = ANY_TYPE

    @property
    def folder(self) -> str:
        """The root that the file is for."""
        return self.texts.get("type", "input")

    @property
    def subfolder(self) -> str:
        """The folder below that, as it was sent."""
        return self.texts.get("subfolder", "")


async def upload_image(request: Request, core: Core, caller: Caller) -> Response:
    """Keep any file; the name in the answer may differ from the one that was sent."""
    async with AsyncExitStack() as until_kept:
        form = await _read(request, core, until_kept)
        if (refused := _refused(form)) is not None:
            return refused
        assert form.staged is not None
        name = await _keep(core, caller, form, form.staged)
    return _answer(form, name)


async def upload_mask(request: Request, core: Core, caller: Caller) -> Response:
    """Keep the original with the upload's alpha channel, under the upload's name.

    An original that is not there is answered as if it were, and nothing is kept (server.py, upload_mask).
    """
    async with AsyncExitStack() as until_kept:
        form = await _read(request, core, until_kept, is_mask=True)
        if (refused := _refused(form)) is not None:
            return refused
        async with core.assets.decoding:
            content = await _masked(core, caller, form)
        if content is None:
            return _answer(form, form.name)
        form.content_type = "image/png"
        async with core.assets.staged(_once(content)) as staged:
            name = await _keep(core, caller, form, staged)
    return _answer(form, name)


async def _masked(core: Core, caller: Caller, form: _Form) -> bytes | None:
    original = await _original(core, caller, form.texts.get("original_ref"))
    if original is None:
        return None
    try:
        return await asyncio.to_thread(masked, original, bytes(form.mask))
    except Unreadable:
        raise BadRequest(
            "the mask and its original are not two pictures of one size, of 67 million pixels at most", 500
        ) from None


async def _read(request: Request, core: Core, until_kept: AsyncExitStack, *, is_mask: bool = False) -> _Form:
    form, most = _Form(), core.settings.max_upload_bytes
    body = counted(request, most + ROOM_FOR_FIELDS)
    try:
        async with aclosing(parts(request.headers.get("content-type", ""), body)) as listed:
            async for part in listed:
                if len(form.texts) > MOST_FIELDS:
                    raise BadRequest("the form has more fields than any upload")
                if part.name != "image" or part.filename is None:
                    form.texts[part.name] = await part.text()
                elif form.name:
                    raise BadRequest("the form has two files: send one a request")
                elif is_mask:
                    form.name = part.filename
                    form.mask = await _in_memory(part)
                else:
                    form.name, form.content_type = part.filename, part.content_type or ANY_TYPE
                    staged = core.assets.staged(part.chunks(), most=most)
                    form.staged = await until_kept.enter_async_context(staged)
    except MalformedForm as error:
        raise BadRequest(str(error)) from error
    return form


async def _in_memory(part: Part) -> bytearray:
    whole = bytearray()
    async for chunk in part.chunks():
        whole += chunk
        if len(whole) > LARGEST:
            raise BadRequest(f"the mask is larger than {LARGEST} bytes", 413)
    return whole


async def counted(request: Request, most: int) -> AsyncIterator[bytes]:
    """Yield what a request sends.

    Raises:
        BadRequest: It is more than ``most`` bytes, or breaks off.

    """
    read = 0
    try:
        async for chunk in request.stream():
            read += len(chunk)
            if read > most:
                raise BadRequest(f"the upload is larger than {most} bytes", 413)
            yield chunk
    except ClientDisconnect:
        raise BadRequest("the connection broke while the form came: send it once more") from None


def _refused(form: _Form) -> Response | None:
    """Return the answer to a form that a ComfyUI refuses, without words as there."""
    if form.folder not in FOLDERS:
        raise BadRequest(f"{form.folder[:80]!r} is no folder: choose from {', '.join(FOLDERS)}")
    subfolder = form.subfolder.replace("\\", "/")
    leaves = subfolder.startswith("/") or ".." in subfolder.split("/")
    has_file = form.staged is not None or form.mask
    if not has_file or not form.name or leaves or form.name in (".", ".."):
        return Response(status_code=400)
    return None


async def _keep(core: Core, caller: Caller, form: _Form, staged: Staged) -> str:
    name = form.name.replace("/", "%2F").replace("\\", "%5C")  # as aiohttp hands it to a ComfyUI
    return await keep_named(
        core.assets,
        staged,
        caller.key_id,
        name=name,
        subfolder=str(PurePosixPath(form.subfolder.replace("\\", "/"))) if form.subfolder else "",
        folder=form.folder,
        content_type=form.content_type if CONTENT_TYPE.fullmatch(form.content_type) else ANY_TYPE,
        overwrite=form.texts.get("overwrite") in ("true", "1"),
    )


async def _original(core: Core, caller: Caller, text: str | None) -> bytes | None:
    try:
        said: Any = json.loads(text or "")
        name, subfolder = said["filename"], said.get("subfolder") or ""
        folder = said.get("type", "output")
        must_be_storable(said)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise BadRequest("'original_ref' names no picture: send {\"filename\": ...} in it") from None
    asset = await found(core, caller.key_id, str(folder), str(subfolder).strip("/"), str(name))
    if asset is None:
        return None
    if asset.size_bytes > LARGEST:
        raise BadRequest(f"the original is larger than {LARGEST} bytes", 413)
    return await bytes_of(core.assets, asset)


def _answer(form: _Form, name: str) -> Response:
    return JSONResponse({"name": name, "subfolder": form.subfolder, "type": form.folder})


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


ROUTES = [
    *routes("/upload/image", upload_image, "POST", scope="submit"),
    *routes("/upload/mask", upload_mask, "POST", scope="submit"),
]
