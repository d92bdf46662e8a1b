"""Fetching files: streamed, whole or not at all, from where it stopped where the server allows it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Protocol
from urllib.parse import quote, urlencode

from comfywire.errors import ConnectionFailed, ConnectionLost, ReplyRefused, ServerError
from comfywire.transport.http import Http
from comfywire.transport.limits import chunks_of

from .files.tooling import CACHE, CACHE_ROUTE
from .saving import PartFile, Place

__all__ = ["Downloads", "File", "FileTooLarge", "NotThere"]

AT_ONCE = 8
TRIES = 5
File = tuple[str, str, str]
"""filename, subfolder and type, as the server named them."""


class NotThere(Exception):
    """The server does not have the file; no OSError, because those are the caller's own disk's."""


class FileTooLarge(Exception):
    """The file has more bytes than the caller wants."""


class Downloads:
    """Files of one server; a few at a time, so that a thousand results do not open a thousand connections.

    Args:
        http: To the server.
        pause: Seconds before the second try; doubled for each further one.

    """

    def __init__(self, http: Http, *, pause: float) -> None:
        self._http = http
        self._pause = pause
        self._slots = asyncio.Semaphore(AT_ONCE)

    def url(self, file: File) -> str:
        """Return where the file is, without what proves who we are."""
        path, query = _route(file)
        return self._http.public_url(path) + (f"?{urlencode(query, quote_via=quote)}" if query else "")

    async def read(self, filename: str, subfolder: str, kind: str, *, at_most: int | None = None) -> bytes:
        """Return the file's bytes.

        Raises:
            NotThere: The server does not have it.
            TooLarge: There are more than ``at_most``; the rest is not fetched.
            ConnectionFailed, ConnectionLost, ServerError: It could not be fetched.

        """
        received = _Received(at_most)
        await self._fetch((filename, subfolder, kind), received)
        return bytes(received.content)

    async def save(self, file: File, place: Place) -> Path:
        """Stream the file to its place and return the path; raises like :meth:`read`."""
        async with PartFile(place) as part:
            await self._fetch(file, part)
            return await part.finish()

    async def _fetch(self, file: File, sink: _Sink) -> None:
        transfer, pause = _Transfer(file, sink), self._pause
        async with self._slots:
            for attempt in range(1, TRIES + 1):
                try:
                    await transfer.attempt(self._http)
                    return
                except (ConnectionLost, ConnectionFailed, ServerError) as error:
                    if attempt == TRIES or (isinstance(error, ServerError) and error.status < 500):
                        raise
                await asyncio.sleep(pause)
                pause *= 2


class _Sink(Protocol):
    """Where a file's bytes go; :class:`~comfywire.client.saving.PartFile` is one."""

    length: int

    async def write(self, chunk: bytes) -> None: ...

    async def restart(self) -> None: ...


class _Received:
    """A file in memory."""

    def __init__(self, at_most: int | None = None) -> None:
        self.content = bytearray()
        self.length = 0
        self._at_most = at_most

    async def write(self, chunk: bytes) -> None:
        self.content += chunk
        self.length += len(chunk)
        if self._at_most is not None and self.length > self._at_most:
            raise FileTooLarge

    async def restart(self) -> None:
        self.content.clear()
        self.length = 0


class _Transfer:
    """One file on its way, over as many attempts as it takes."""

    def __init__(self, file: File, sink: _Sink) -> None:
        self._file = file
        self._sink = sink
        self._tag = ""

    async def attempt(self, http: Http) -> None:
        """Fetch what the sink lacks."""
        path, query = _route(self._file)
        is_resuming = self._sink.length > 0 and self._tag != ""
        try:
            async with http.request(
                "GET", path, query=query, headers=self._headers(is_resuming=is_resuming)
            ) as response:
                if response.status != 206:
                    await self._sink.restart()
                elif not self._is_rest(response.headers):
                    raise self._no_rest()
                self._tag = _tag(response.headers)
                with http.news.asked(f"the rest of {self._file[0]!r}"):
                    async for chunk in chunks_of(response, http.limits):
                        http.news.heard()
                        await self._sink.write(chunk)
                        self._must_fit(http.limits.file_bytes)
        except ServerError as error:
            if error.status == 404:
                raise NotThere(self._file[0]) from error
            if error.status != 416:
                raise
            raise self._no_rest() from error

    def _must_fit(self, most: int | None) -> None:
        if most is not None and self._sink.length > most:
            raise ReplyRefused(f"the file {self._file[0][:100]!r} has more than {most} bytes")

    def _is_rest(self, headers: Mapping[str, str]) -> bool:
        # aiohttp, and so ComfyUI, reads If-Range as a date only and sends the rest of whichever file is there
        # now (aiohttp web_fileresponse.py, 3.14).
        is_same_file = headers.get("ETag") == self._tag
        return is_same_file and headers.get("Content-Range", "").startswith(f"bytes {self._sink.length}-")

    def _no_rest(self) -> ConnectionLost:
        """The connection broke at the very end, or a proxy has its own idea of ranges: begin again."""
        self._tag = ""
        return ConnectionLost(f"the rest of {self._file[0]!r} could not be had")

    def _headers(self, *, is_resuming: bool) -> dict[str, str]:
        # Bytes are counted as they are on the server's disk, which a proxy's compression would change.
        headers = {"Accept-Encoding": "identity"}
        if is_resuming:
            headers |= {"Range": f"bytes={self._sink.length}-", "If-Range": self._tag}
        return headers


def _route(file: File) -> tuple[str, dict[str, str]]:
    """Return from where a file is fetched: by its id where a node pack keeps it in memory."""
    if file[2] == CACHE:
        return f"{CACHE_ROUTE}/{quote(PurePosixPath(file[0]).stem)}", {}
    return "/view", dict(zip(("filename", "subfolder", "type"), file, strict=True))


def _tag(headers: Mapping[str, str]) -> str:
    """A strong validator, where ranges are served at all."""
    tag = headers.get("ETag", "")
    return tag if headers.get("Accept-Ranges") == "bytes" and not tag.startswith("W/") else ""
