"""Routes about files: /view, /upload/image, /upload/mask (server.py, 0.3.64)."""

# What ComfyUI refuses depends on how strings are joined, so paths are strings here; and it, too, reads and
# writes its files in the event loop.
# ruff: noqa: ASYNC240, PTH100, PTH103, PTH110, PTH113, PTH118, PTH119, PTH122, PTH123

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from aiohttp import web

from comfywire.server.http.pictures import alpha_only, merge_mask, preview_of, without_alpha
from comfywire.server.http.served import headers_of

if TYPE_CHECKING:
    from comfywire.server.faults import FileFaults
    from comfywire.server.folders import Folders

__all__ = ["FileRoutes"]

Form = Mapping[str, str | bytes | bytearray | web.FileField]


class FileRefused(Exception):
    """The request names something that it may not have; ``status`` is the whole answer."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(status)


class FileRoutes:
    """Files in and out."""

    def __init__(self, folders: Folders, faults: FileFaults, *, is_new: bool) -> None:
        self._folders = folders
        self._faults = faults
        self._is_new = is_new

    def routes(self) -> list[web.RouteDef]:
        """Return the routes, without prefix."""
        return [
            web.get("/view", self.view),
            web.post("/upload/image", self.upload_image),
            web.post("/upload/mask", self.upload_mask),
        ]

    async def view(self, request: web.Request) -> web.StreamResponse:
        """Send a file, or a picture made of it."""
        query = request.query
        if "filename" not in query:
            return web.Response(status=404)
        try:
            path = self._faults.path(query) or self._viewed(
                query["filename"], query.get("type", "output"), query.get("subfolder")
            )
        except FileRefused as refusal:
            return web.Response(status=refusal.status)
        if not os.path.isfile(path):
            return web.Response(status=404)
        channel = query.get("channel", "rgba")
        if "preview" in query:
            picture = preview_of(path, query["preview"], query.get("channel", ""))
        elif channel == "rgb":
            picture = without_alpha(path)
        elif channel == "a":
            picture = alpha_only(path)
        else:
            destination = request.headers.get("Sec-Fetch-Dest")
            headers = headers_of(path, is_new=self._is_new, destination=destination)
            return web.FileResponse(path, headers=headers)
        shown_as = {"Content-Disposition": f'filename="{os.path.basename(path)}"'}
        return web.Response(body=picture.content, content_type=picture.content_type, headers=shown_as)

    def _viewed(self, name: str, kind: str, subfolder: str | None) -> str:
        filename, root = self._folders.annotated(name)
        if not filename or filename[0] == "/" or ".." in filename:
            raise FileRefused(400)
        root = root or self._folders.by_type(kind)
        if root is None:
            raise FileRefused(400)
        folder = os.path.join(root, subfolder or "")
        if not self._folders.contains(root, os.path.abspath(folder)):
            raise FileRefused(403)
        return os.path.join(folder, os.path.basename(filename))

    async def upload_image(self, request: web.Request) -> web.Response:
        """Save any file; the name in the answer may differ from the one that was sent."""
        return self._upload(await request.post())

    async def upload_mask(self, request: web.Request) -> web.Response:
        """Save the original with the upload's alpha channel; what cannot be merged is silently not saved."""
        form = await request.post()

        def save(image: web.FileField, path: str) -> None:
            original = self._original(json.loads(_text(form, "original_ref")))
            if original is not None and os.path.isfile(original):
                merge_mask(original, image.file, path)

        return self._upload(form, save)

    def _original(self, reference: dict[str, Any]) -> str | None:
        kind = reference.get("type", "output")
        try:
            return self._viewed(reference["filename"], kind, reference.get("subfolder"))
        except FileRefused:
            return None

    def _upload(self, form: Form, save: Callable[[web.FileField, str], None] | None = None) -> web.Response:
        image = form.get("image")
        kind = _text(form, "type", "input")
        # An unknown type is a 500 in ComfyUI too (server.py, get_dir_by_type).
        root = {name: self._folders.by_type(name) for name in ("input", "temp", "output")}[kind] or ""
        if not image:
            return web.Response(status=400)
        if not isinstance(image, web.FileField):
            raise TypeError("the part 'image' is no file")  # a 500, as in ComfyUI
        if not image.filename:
            return web.Response(status=400)
        subfolder = _text(form, "subfolder", "")
        folder = os.path.join(root, os.path.normpath(subfolder))
        path = os.path.abspath(os.path.join(folder, image.filename))
        # ComfyUI looks at the file only: "../input/y" in "../x" makes a folder there (server.py, 0.3.64).
        if not all(self._folders.contains(root, each) for each in (path, os.path.abspath(folder))):
            return web.Response(status=400)
        os.makedirs(folder, exist_ok=True)
        name, is_there = image.filename, False
        if form.get("overwrite") not in ("true", "1"):
            name, is_there = _free_name(folder, image)
        path = os.path.join(folder, name) if name != image.filename else path
        if not is_there:
            (save or _save)(image, path)
        return web.json_response({"name": name, "subfolder": subfolder, "type": kind})


def _free_name(folder: str, image: web.FileField) -> tuple[str, bool]:
    """Return a name that is free, or that of a file with these very bytes, and which of the two."""
    digest = hashlib.sha256(image.file.read()).digest()
    image.file.seek(0)
    stem, extension = os.path.splitext(image.filename)
    name, number = image.filename, 1
    while os.path.exists(path := os.path.join(folder, name)):
        with open(path, "rb") as present:
            if hashlib.sha256(present.read()).digest() == digest:
                return name, True
        name = f"{stem} ({number}){extension}"
        number += 1
    return name, False


def _save(image: web.FileField, path: str) -> None:
    with open(path, "wb") as saved:
        saved.write(image.file.read())


def _text(form: Form, name: str, default: str | None = None) -> str:
    value = form.get(name, default)
    if not isinstance(value, str):
        raise TypeError(f"the part '{name}' is no text")  # a 500, as in ComfyUI
    return value
