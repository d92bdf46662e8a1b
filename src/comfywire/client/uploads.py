"""Files on their way to the server: pictures, masks, sound, video, anything."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from comfywire.errors import ServerError, UnexpectedReply
from comfywire.transport.http import Http, Part

__all__ = ["HasPlace", "Upload", "UploadSource", "Uploads"]

UploadSource = str | Path | bytes | BinaryIO
"""A path, the bytes themselves, or an open binary file."""


class HasPlace(Protocol):
    """Something that the server keeps in a folder: an :class:`Upload`, or an output that is a file."""

    @property
    def filename(self) -> str | None:
        """The server's name for it."""

    @property
    def subfolder(self) -> str:
        """Below the root, often empty."""

    @property
    def type(self) -> str:
        """The root."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as the server keeps it. ``str()`` is how a workflow names it.

    Attributes:
        filename: The name that the server chose; it differs from the one sent when that was taken.
        subfolder: Below the root, often empty.
        type: The root: ``input``, ``output`` or ``temp``.

    """

    filename: str
    subfolder: str = ""
    type: str = "input"

    def __str__(self) -> str:
        """As nodes take it: ``name``, ``subfolder/name``, ``name [temp]`` (folder_paths.py, 0.3.64)."""
        path = f"{self.subfolder}/{self.filename}" if self.subfolder else self.filename
        return path if self.type == "input" else f"{path} [{self.type}]"


class Uploads:
    """Uploads to one server."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def upload(
        self, source: UploadSource, *, name: str | None, subfolder: str, kind: str, overwrite: bool
    ) -> Upload:
        """Send any kind of file; ``/upload/image`` takes them all."""
        fields: list[Part] = [("type", kind, None), ("subfolder", subfolder, None)]
        if overwrite:
            fields.append(("overwrite", "true", None))
        return await self._send("/upload/image", source, name, fields)

    async def upload_mask(self, source: UploadSource, original: HasPlace, *, name: str | None) -> Upload:
        """Send a mask; the server puts its alpha channel into a copy of ``original``."""
        place = {"filename": original.filename, "subfolder": original.subfolder, "type": original.type}
        fields: list[Part] = [("original_ref", json.dumps(place), None), ("type", "input", None)]
        upload = await self._send("/upload/mask", source, name, fields)
        if not await self._exists(upload):
            # Failures inside the merge are swallowed and answered 200 (server.py, upload_mask, 0.3.64).
            raise UnexpectedReply(
                f"the mask was accepted but {upload} was not made: is {original.filename!r} still there?"
            )
        return upload

    async def _send(self, route: str, source: UploadSource, name: str | None, fields: list[Part]) -> Upload:
        content, own_name = await asyncio.to_thread(_open, source)
        try:
            # A slash would be stored percent-encoded (protocol.md 1.5): the folder goes into `subfolder`.
            part: Part = ("image", content, Path(name or own_name).name)
            return _parse(await self._http.post_parts(route, [*fields, part]))
        finally:
            if content is not source:
                content.close()

    async def _exists(self, upload: Upload) -> bool:
        query = {"filename": upload.filename, "subfolder": upload.subfolder, "type": upload.type}
        try:
            async with self._http.request("HEAD", "/view", query=query):
                return True
        except ServerError as error:
            if error.status == 404:
                return False
            raise


def _open(source: UploadSource) -> tuple[BinaryIO, str]:
    if isinstance(source, bytes):
        return BytesIO(source), "upload.bin"
    if isinstance(source, str | Path):
        return Path(source).open("rb"), Path(source).name
    return source, Path(str(getattr(source, "name", "upload.bin"))).name


def _parse(reply: Any) -> Upload:
    if not isinstance(reply, dict) or not isinstance(reply.get("name"), str):
        raise UnexpectedReply(f"the upload was not answered with a name: {str(reply)[:80]}")
    return Upload(reply["name"], str(reply.get("subfolder") or ""), str(reply.get("type") or "input"))
