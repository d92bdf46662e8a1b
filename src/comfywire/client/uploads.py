"""Files on their way to the server: pictures, masks, sound, video, anything."""

from __future__ import annotations

import asyncio
import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from io import BytesIO
from pathlib import PurePath
from typing import Any, BinaryIO, Protocol, cast
from uuid import uuid4
from weakref import WeakValueDictionary

from comfywire.errors import ServerError, UnexpectedReply, UnsafeName
from comfywire.transport.http import Http, Part

from .files.masks import size_of_picture, with_alpha
from .files.sources import Opened, UploadSource, open_source
from .threads import in_thread

__all__ = ["FOLDER", "HasPlace", "OnUpload", "Upload", "UploadSource", "Uploads"]

FOLDER = "comfywire"
"""Where below the server's input folder files for inputs go by default: nobody else's are in it."""
SHORT_HASH = 16
SENT_AT_FIRST = 1 << 18
"""Bytes. A file up to this size costs hardly more to send than to ask for, and the server compares what it is
sent with what it has (server.py, compare_image_hash, 0.3.64): a file of that name and length may have been
overwritten before this client came.
"""

ANNOTATION = re.compile(r" \[(input|output|temp)\]\Z")
OnUpload = Callable[[int, int], None]
"""Told the bytes that have been sent, and how many there are."""


class _Lent(io.BufferedIOBase):
    """A file for aiohttp, which reads it in a thread and closes it: it is the caller's, and may go on.

    It says how far it has been read.
    """

    def __init__(self, opened: Opened, length: int, on_progress: OnUpload | None) -> None:
        self._content = opened.stream
        self._start = opened.start
        self._total = length
        self._loop = asyncio.get_running_loop()
        self._on_progress = on_progress

    def read(self, size: int | None = -1, /) -> bytes:
        chunk = self._content.read(-1 if size is None else size)
        if self._on_progress is not None:
            sent = self._content.tell() - self._start
            self._loop.call_soon_threadsafe(self._on_progress, sent, self._total)
        return chunk

    def tell(self) -> int:
        return self._content.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._content.seek(offset, whence)

    def seekable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._content.fileno()


def _lent(opened: Opened, length: int, on_progress: OnUpload | None = None) -> BinaryIO:
    if on_progress is None and isinstance(opened.stream, BytesIO):
        return opened.stream  # aiohttp knows how long it is, and leaves it open
    return cast("BinaryIO", _Lent(opened, length, on_progress))


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

    @classmethod
    def named(cls, name: str) -> Upload:
        """Return the file that a workflow names so."""
        path, kind = name, "input"
        if (found := ANNOTATION.search(name)) is not None:
            path, kind = name[: found.start()], found[1]
        folder, _, filename = path.replace("\\", "/").rpartition("/")
        return cls(filename, folder, kind)

    def __str__(self) -> str:
        """As nodes take it: ``name``, ``subfolder/name``, ``name [temp]`` (folder_paths.py, 0.3.64)."""
        path = f"{self.subfolder}/{self.filename}" if self.subfolder else self.filename
        return path if self.type == "input" else f"{path} [{self.type}]"


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the server says of a file without sending it; files that differ in it are not the same."""

    length: int | None
    tags: tuple[str | None, ...] = ()


class Uploads:
    """Uploads to one server."""

    def __init__(self, http: Http, *, subfolder: str = FOLDER) -> None:
        self._http = http
        self._subfolder = subfolder
        self._kept: dict[str, tuple[Upload, _Seen]] = {}
        self._sending: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self.names: set[str] = set()
        """What this client has put on the server, as inputs name it. Whether it still is there is another
        question."""

    async def upload_once(self, source: UploadSource) -> Upload:
        """Return where the server has the content of ``source``, for an input; send it unless it is there.

        It is kept under its hash, in a folder of ours, and believed to be there when the server has a file of
        that name and length, unchanged since this client first saw it; a small one is sent at first in any
        case. Whatever else is under that name stays as it is: the server compares the bytes that it is sent,
        and numbers the name of other ones.

        Raises:
            OSError, TypeError, ValueError: It cannot be read.

        """
        opened = await in_thread(open_source, source)
        try:
            digest, length = await in_thread(opened.measure)
            name = digest + await in_thread(opened.suffix)
            async with self._sending.setdefault(
                name, asyncio.Lock()
            ):  # two at once would see each other's half of the file
                upload, first = self._kept.get(name, (Upload(name, self._subfolder), None))
                seen = None if first is None and length <= SENT_AT_FIRST else await self._look(upload)
                if seen is None or seen.length != length or first not in (None, seen):
                    upload = await self._post(opened, length, upload.subfolder, name)
                    seen = await self._look(upload)
                if seen is not None:
                    self._kept[name] = upload, seen
        finally:
            await in_thread(opened.close)
        self.names.add(str(upload))
        return upload

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
        opened = await in_thread(open_source, source)
        try:
            digest, length = await in_thread(opened.measure)
            if name is None:
                name = opened.name or digest[:SHORT_HASH] + await in_thread(opened.suffix)
                folder = subfolder
            else:
                folder, name = _split(name, subfolder)
            upload = await self._post(
                opened, length, folder, name, kind, overwrite=overwrite, on_progress=on_progress
            )
        finally:
            await in_thread(opened.close)
        self.names.add(str(upload))
        return upload

    async def upload_mask(self, source: UploadSource, original: HasPlace, *, name: str | None) -> Upload:
        """Send a mask; the server puts its alpha channel into a copy of ``original``."""
        opened = await in_thread(open_source, source)
        try:
            content = await in_thread(opened.stream.read)
            own = f"{PurePath(opened.name).stem or sha256(content).hexdigest()[:SHORT_HASH]}.png"
        finally:
            await in_thread(opened.close)
        size = size_of_picture(await self._read(original))
        mask = await in_thread(partial(with_alpha, content, size, token=uuid4().hex))
        place = {"filename": original.filename, "subfolder": original.subfolder, "type": original.type}
        folder, name = _split(own if name is None else name, "")
        fields: list[Part] = [("type", "input", None), ("subfolder", folder, None)]
        fields.append(("original_ref", json.dumps(place), None))
        upload = await self._send("/upload/mask", BytesIO(mask), name, fields)
        if not await self.has(upload):
            # Failures inside the merge are swallowed and answered 200 (server.py, upload_mask, 0.3.64).
            raise UnexpectedReply(
                f"the mask was accepted but {upload} was not made: is {original.filename!r} still there?"
            )
        self.names.add(str(upload))
        return upload

    async def _read(self, place: HasPlace) -> bytes:
        """Return a file's bytes; none where it is not, which is for the server to say."""
        query = {"filename": place.filename or "", "subfolder": place.subfolder, "type": place.type}
        try:
            async with self._http.request("GET", "/view", query=query) as response:
                return await response.read()
        except ServerError as error:
            if error.status not in (400, 403, 404):
                raise
            return b""

    async def has(self, place: HasPlace) -> bool:
        """Ask the server whether it has a file; raises like :meth:`size_of`."""
        try:
            return await self.size_of(place) is not None
        except ServerError as error:
            if error.status not in (400, 403):  # a name that no file can have there, or leads elsewhere
                raise
            return False

    async def size_of(self, place: HasPlace) -> int | None:
        """Return how many bytes the server has of a file: None without one, -1 where it does not say.

        Raises:
            ConnectionFailed, ConnectionLost, ServerError: It could not be asked.

        """
        try:
            seen = await self._head(place)
        except ServerError as error:
            if error.status != 404:
                raise
            return None
        return -1 if seen.length is None else seen.length

    async def _look(self, upload: Upload) -> _Seen | None:
        """Return what the server says of a file; None where it is not, and where nothing can be learned."""
        try:
            return await self._head(upload)
        except ServerError as error:
            if error.status >= 500 and error.status != 501:
                raise
            return None

    async def _head(self, place: HasPlace) -> _Seen:
        query = {"filename": place.filename or "", "subfolder": place.subfolder, "type": place.type}
        # A proxy's compression would change the length.
        async with self._http.request(
            "HEAD", "/view", query=query, headers={"Accept-Encoding": "identity"}
        ) as response:
            length = response.headers.get("Content-Length", "")
            tags = (response.headers.get("ETag"), response.headers.get("Last-Modified"))
            return _Seen(int(length) if length.isdigit() else None, tags)

    async def _post(
        self,
        opened: Opened,
        length: int,
        subfolder: str,
        name: str,
        kind: str = "input",
        *,
        overwrite: bool = False,
        on_progress: OnUpload | None = None,
    ) -> Upload:
        fields: list[Part] = [("type", kind, None), ("subfolder", subfolder, None)]
        # Without `overwrite` the server numbers a taken name, so nobody's file is replaced.
        fields += [("overwrite", "true", None)] if overwrite else []
        return await self._send("/upload/image", _lent(opened, length, on_progress), name, fields)

    async def _send(self, route: str, content: BinaryIO, name: str, fields: list[Part]) -> Upload:
        if re.search(r"[\x00-\x1f\x7f]", name):
            raise UnsafeName(f"a form cannot carry the file name {name!r}: give another `name`")
        part: Part = ("image", content, name)
        return _parse(await self._http.post_parts(route, [*fields, part]))


def _split(name: str, subfolder: str) -> tuple[str, str]:
    """Return folder and file name: slashes in a name are stored percent-encoded (comfyui-protocol.md 1.5)."""
    *folders, last = name.split("/")
    if not last or name.startswith("/") or ".." in folders or last in (".", ".."):
        raise UnsafeName(f"{name!r} is no name for an upload: give one such as 'cat.png' or 'assets/cat.png'")
    inside = [folder for folder in folders if folder not in ("", ".")]
    return "/".join([*([subfolder] if subfolder else []), *inside]), last


def _parse(reply: Any) -> Upload:
    if not isinstance(reply, dict) or not isinstance(reply.get("name"), str):
        raise UnexpectedReply(f"the upload was not answered with a name: {str(reply)[:80]}")
    return Upload(reply["name"], str(reply.get("subfolder") or ""), str(reply.get("type") or "input"))
