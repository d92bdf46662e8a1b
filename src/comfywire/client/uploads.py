"""Files on their way to the server: pictures, masks, sound, video, anything."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast, runtime_checkable

from comfywire.errors import ServerError, UnexpectedReply
from comfywire.transport.http import Http, Part

__all__ = ["HasPlace", "OnUpload", "Upload", "UploadSource", "Uploads"]

SUFFIXES = {
    b"\x89PNG": ".png",
    b"\xff\xd8\xff": ".jpg",
    b"GIF8": ".gif",
    b"fLaC": ".flac",
    b"OggS": ".ogg",
    b"glTF": ".glb",
}
"""Names for bytes that come without one: nodes choose their reader by the extension."""


@runtime_checkable
class Picture(Protocol):
    """A Pillow picture, without importing Pillow."""

    def save(self, fp: Any, format: str) -> None:  # noqa: A002 (Pillow's word)
        """Write it."""


UploadSource = str | Path | bytes | BinaryIO | Picture
"""A path, the bytes themselves, an open binary file, or a Pillow picture, which is sent as PNG."""


OnUpload = Callable[[int, int], None]
"""Told the bytes that have been sent, and how many there are."""


class _Counted(io.BufferedIOBase):
    """A file that says how far it has been read; aiohttp reads it in a thread."""

    def __init__(self, content: BinaryIO, on_progress: OnUpload) -> None:
        self._content = content
        self._total = content.seek(0, io.SEEK_END)
        content.seek(0)
        self._loop = asyncio.get_running_loop()
        self._on_progress = on_progress

    def read(self, size: int | None = -1, /) -> bytes:
        chunk = self._content.read(-1 if size is None else size)
        self._loop.call_soon_threadsafe(self._on_progress, self._content.tell(), self._total)
        return chunk

    def tell(self) -> int:
        return self._content.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._content.seek(offset, whence)

    def seekable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._content.fileno()


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

    def __init__(self, http: Http, *, subfolder: str = "") -> None:
        self._http = http
        self._subfolder = subfolder
        self._sent: dict[tuple[str, str], Upload] = {}

    async def upload_once(self, source: UploadSource) -> Upload:
        """Send a file for an input, unless this client has sent the same content before."""
        content, name = await asyncio.to_thread(_open, source)
        try:
            key = (await asyncio.to_thread(_digest, content), Path(name).suffix)
            if key not in self._sent:
                # Without `overwrite` the server numbers a taken name, so nobody's file is replaced.
                fields: list[Part] = [("type", "input", None), ("subfolder", self._subfolder, None)]
                self._sent[key] = await self._post("/upload/image", content, name, fields)
            return self._sent[key]
        finally:
            if content is not source:
                content.close()

    @property
    def names(self) -> frozenset[str]:
        """What :meth:`upload_once` has put on the server, as inputs name it."""
        return frozenset(map(str, self._sent.values()))

    async def upload(
        self,
        source: UploadSource,
        *,
        name: str | None,
        subfolder: str,
        kind: str,
        overwrite: bool,
        on_progress: OnUpload | None = None,
    ) -> Upload:
        """Send any kind of file; ``/upload/image`` takes them all."""
        fields: list[Part] = [("type", kind, None), ("subfolder", subfolder, None)]
        if overwrite:
            fields.append(("overwrite", "true", None))
        return await self._send("/upload/image", source, name, fields, on_progress)

    async def upload_mask(self, source: UploadSource, original: HasPlace, *, name: str | None) -> Upload:
        """Send a mask; the server puts its alpha channel into a copy of ``original``."""
        place = {"filename": original.filename, "subfolder": original.subfolder, "type": original.type}
        fields: list[Part] = [("original_ref", json.dumps(place), None), ("type", "input", None)]
        upload = await self._send("/upload/mask", source, name, fields)
        if await self.size_of(upload) is None:
            # Failures inside the merge are swallowed and answered 200 (server.py, upload_mask, 0.3.64).
            raise UnexpectedReply(
                f"the mask was accepted but {upload} was not made: is {original.filename!r} still there?"
            )
        return upload

    async def _send(
        self,
        route: str,
        source: UploadSource,
        name: str | None,
        fields: list[Part],
        on_progress: OnUpload | None = None,
    ) -> Upload:
        content, own_name = await asyncio.to_thread(_open, source)
        try:
            sent = content if on_progress is None else cast("BinaryIO", _Counted(content, on_progress))
            return await self._post(route, sent, name or own_name, fields)
        finally:
            if content is not source:
                content.close()

    async def _post(self, route: str, content: BinaryIO, name: str, fields: list[Part]) -> Upload:
        # A slash would be stored percent-encoded (comfyui-protocol.md 1.5): the folder goes into `subfolder`.
        name = Path(name).name
        if re.search(r"[\x00-\x1f\x7f]", name):
            raise ValueError(f"a form cannot carry the file name {name!r}: give another `name`")
        part: Part = ("image", content, name)
        return _parse(await self._http.post_parts(route, [*fields, part]))

    async def size_of(self, place: HasPlace) -> int | None:
        """Return how many bytes the server has of a file: None without one, -1 where it does not say."""
        query = {"filename": place.filename or "", "subfolder": place.subfolder, "type": place.type}
        try:
            async with self._http.request("HEAD", "/view", query=query) as response:
                return -1 if response.content_length is None else response.content_length
        except ServerError as error:
            if error.status == 404:
                return None
            raise


def _open(source: UploadSource) -> tuple[BinaryIO, str]:
    if isinstance(source, bytes):
        return BytesIO(source), f"{hashlib.sha256(source).hexdigest()[:16]}{_suffix(source)}"
    if isinstance(source, str | Path):
        return Path(source).open("rb"), Path(source).name
    if isinstance(source, Picture):
        encoded = BytesIO()
        source.save(encoded, format="PNG")
        return _open(encoded.getvalue())
    name = getattr(source, "name", None)  # a number, or None, where the file was not opened by name
    return source, Path(name).name if isinstance(name, str) else "upload.bin"


def _suffix(content: bytes) -> str:
    if content.startswith(b"RIFF"):
        return {b"WEBP": ".webp", b"WAVE": ".wav", b"AVI ": ".avi"}.get(content[8:12], ".bin")
    return next((suffix for magic, suffix in SUFFIXES.items() if content.startswith(magic)), ".bin")


def _digest(content: BinaryIO) -> str:
    digest, start = hashlib.sha256(), content.tell()
    while chunk := content.read(1 << 20):
        digest.update(chunk)
    content.seek(start)
    return digest.hexdigest()


def _parse(reply: Any) -> Upload:
    if not isinstance(reply, dict) or not isinstance(reply.get("name"), str):
        raise UnexpectedReply(f"the upload was not answered with a name: {str(reply)[:80]}")
    return Upload(reply["name"], str(reply.get("subfolder") or ""), str(reply.get("type") or "input"))
