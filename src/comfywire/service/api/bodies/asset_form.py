"""The form of an upload: its fields, and its file, staged while the client sends it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing
from pathlib import PureWindowsPath

from fastapi import Request
from starlette.requests import ClientDisconnect

from comfywire.service.api.bodies.multipart import MalformedForm, Part, parts
from comfywire.service.assets.assets import Assets
from comfywire.service.assets.blobs import Staged, TooLarge
from comfywire.service.assets.records import EXPIRES_IN, InvalidAsset, NewAsset

__all__ = ["UPLOAD_BODY", "AssetForm", "input_path"]

ROOM_FOR_FIELDS = 1 << 20
"""Bytes that a form may have beside those of its file."""
MOST_FIELDS = 100
UPLOAD_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary", "description": "The bytes."},
                        "content_type": {
                            "type": "string",
                            "description": "Their type; by default that of the part `file`.",
                        },
                        "file_path": {
                            "type": "string",
                            "description": "A relative path; by default the name of `file`.",
                        },
                        "expected_hash": {
                            "type": "string",
                            "description": "`blake3:<hex>`; other bytes are refused.",
                        },
                        "tags": {"type": "array", "items": {"type": "string"}},
                        "expires_in": {
                            "type": "integer",
                            "minimum": EXPIRES_IN[0],
                            "maximum": EXPIRES_IN[-1],
                            "description": "Seconds for which it is kept.",
                        },
                    },
                }
            }
        },
    }
}


class AssetForm:
    """Reads the form of an upload part by part, while the client sends it."""

    def __init__(self, assets: Assets, most: int) -> None:
        self._assets = assets
        self._most = most
        self._fields: dict[str, str] = {}
        self._tags: list[str] = []

    async def read(self, request: Request, until_kept: AsyncExitStack) -> tuple[Staged, NewAsset]:
        """Read the whole form; the file's bytes stay staged until ``until_kept`` is left."""
        self._look_at_length(request)
        staged: Staged | None = None
        form = parts(request.headers.get("content-type", ""), self._counted(request))
        async with aclosing(form) as listed:
            async for part in listed:
                if part.name != "file":
                    await self._note(part)
                elif staged is not None:
                    raise InvalidAsset("the form has two files: send one a request")
                else:
                    staged = await self._stage(part, until_kept)
        if staged is None:
            raise InvalidAsset("the form has no part 'file': put the bytes there")
        return staged, self._new()

    def _look_at_length(self, request: Request) -> None:
        """Refuse a form that is too large before a byte of it is read, where the client says its length."""
        length = request.headers.get("content-length", "")
        if length.isdecimal() and int(length) > self._most + ROOM_FOR_FIELDS:
            raise TooLarge(self._most)

    async def _counted(self, request: Request) -> AsyncIterator[bytes]:
        """Yield the body; refuse it once it is too large, whatever length the client gave."""
        read = 0
        try:
            async for chunk in request.stream():
                read += len(chunk)
                if read > self._most + ROOM_FOR_FIELDS:
                    raise TooLarge(self._most)
                yield chunk
        except ClientDisconnect:
            raise MalformedForm("the connection broke while the form came: send it once more") from None

    async def _stage(self, part: Part, until_kept: AsyncExitStack) -> Staged:
        """Stage the file; its part's type and name count where no field of the form gives others."""
        self._fields.setdefault("content_type", part.content_type or "")
        self._fields.setdefault("file_path", PureWindowsPath(part.filename or "").name)
        staged = self._assets.staged(part.chunks(), most=self._most)
        return await until_kept.enter_async_context(staged)

    async def _note(self, part: Part) -> None:
        if part.name == "tags":
            self._tags.append(await part.text())
        else:
            self._fields[part.name] = await part.text()
        if len(self._fields) + len(self._tags) > MOST_FIELDS:
            raise InvalidAsset(f"the form has more than {MOST_FIELDS} fields: send fewer")

    def _new(self) -> NewAsset:
        expires_in = self._fields.get("expires_in")
        if expires_in is not None and not (expires_in.isdecimal() and len(expires_in) < 10):
            raise InvalidAsset(f"expires_in must be a number of seconds, not {expires_in[:40]!r}")
        return NewAsset(
            content_type=self._fields.get("content_type") or "application/octet-stream",
            file_path=input_path(self._fields.get("file_path") or None),
            tags=self._tags,
            expires_in=None if expires_in is None else int(expires_in),
            expected_hash=self._fields.get("expected_hash") or None,
        )


def input_path(path: str | None) -> str | None:
    """Return the path under which a ComfyUI is to have an input.

    Raises:
        InvalidAsset: The path begins in the folder ``models``: inputs do not belong there.

    """
    folders = re.split(r"[/\\]", path or "")[:-1]
    if next((folder for folder in folders if folder not in ("", ".")), "").lower() == "models":
        raise InvalidAsset(
            f"{str(path)[:80]!r} names a model, and assets are inputs: "
            "put models into the ComfyUI's own folder models/"
        )
    return path
