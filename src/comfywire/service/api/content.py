"""A response with an asset's bytes: streamed, resumable, cacheable, and harmless in a browser."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import PurePosixPath
from urllib.parse import quote

from fastapi import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from comfywire.service.api.bodies.byte_ranges import range_of
from comfywire.service.assets.assets import AssetRecord, Assets

__all__ = ["content", "disposition", "redirection"]

INLINE = re.compile(r"(image/(png|jpeg|gif|webp|avif|bmp)|video/[\w.+-]+|audio/[\w.+-]+)(;.*)?")
"""Types that browsers may show on the service's address; SVG and HTML, which run scripts, they may save."""

LINK_SECONDS = 300
"""Seconds in which a download by a link into the asset store must begin; one that has begun goes on."""
SMALL_PIECE = 64 << 10
AT_FIRST = 8 << 20
"""Bytes of a download that are read in small pieces.

A few pieces wait in memory for each client, and one that reads nothing must cost little. A client that was
sent this much, which is more than sockets hold, does read: the rest goes in large pieces, twice as fast.
"""


class _Streamed(StreamingResponse):
    """Closes its source as soon as the client goes away; Starlette leaves that to the garbage collector."""

    def __init__(
        self, first: bytes, others: AsyncGenerator[bytes, None], status: int, headers: dict[str, str]
    ) -> None:
        super().__init__(_chained(first, others), status_code=status, headers=headers)
        self._others = others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._others):
            await super().__call__(scope, receive, send)


async def _chained(first: bytes, others: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    yield first
    del first  # this generator would else hold the first piece in memory until the last one is sent
    async for chunk in others:
        yield chunk


async def _pieces(assets: Assets, asset: AssetRecord, start: int, end: int) -> AsyncGenerator[bytes, None]:
    middle = min(start + AT_FIRST, end)
    async with aclosing(assets.read(asset, start, middle, piece=SMALL_PIECE)) as small:
        async for chunk in small:
            yield chunk
    if middle < end:
        async with aclosing(assets.read(asset, middle, end)) as large:
            async for chunk in large:
                yield chunk


async def content(request: Request, assets: Assets, asset: AssetRecord) -> Response:
    """Return the response to a GET or HEAD of an asset's bytes.

    Raises:
        BlobGone: The asset store does not have the bytes any more.
        UnsatisfiableRange: The request asks for bytes behind the end.

    """
    etag = f'"{asset.hash}"'
    headers = _headers(asset, etag)
    if _names(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    wanted = range_of(_range(request, etag), asset.size_bytes)
    start, end = wanted or (0, asset.size_bytes)
    headers["Content-Length"] = str(end - start)
    if wanted is not None:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{asset.size_bytes}"
    status = 200 if wanted is None else 206
    if request.method == "HEAD":
        return Response(status_code=status, headers={**headers, "Content-Type": asset.content_type})
    chunks = _pieces(assets, asset, start, end)
    # Before the status is sent: a read that fails at once can still be answered as an error.
    first = await anext(chunks, b"")
    # Not `media_type`: Starlette would add a charset, and nobody knows the charset of an uploaded text.
    headers["Content-Type"] = asset.content_type
    return _Streamed(first, chunks, status, headers)


async def redirection(assets: Assets, asset: AssetRecord) -> Response | None:
    """Return the response that sends a client to the asset store; None where the store gives no links.

    The status is 307: the client keeps its method, and goes on to use this address, since links expire.
    """
    link = await assets.blobs.link(
        asset.hash,
        seconds=LINK_SECONDS,
        content_type=asset.content_type,
        disposition=disposition(asset),
    )
    if link is None:
        return None
    return RedirectResponse(link, 307, {"Cache-Control": f"private, max-age={LINK_SECONDS // 2}"})


def disposition(asset: AssetRecord) -> str:
    """Return ``Content-Disposition``: the asset's name, in ASCII for old clients, and whole for others."""
    kind = "inline" if INLINE.fullmatch(asset.content_type) else "attachment"
    name = _name(asset)
    plain = re.sub(r"[^\w.() -]", "_", name, flags=re.ASCII)
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def _headers(asset: AssetRecord, etag: str) -> dict[str, str]:
    return {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, max-age=3600, immutable",
        "Content-Disposition": disposition(asset),
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "X-Content-Type-Options": "nosniff",
    }


def _range(request: Request, etag: str) -> str | None:
    """Return the header ``Range``, unless ``If-Range`` shows that the client has a part of other bytes."""
    condition = request.headers.get("if-range")
    return request.headers.get("range") if condition in (None, etag) else None


def _names(header: str | None, etag: str) -> bool:
    """Whether ``If-None-Match`` names this content; the header compares weakly (RFC 9110, 13.1.2)."""
    tags = [tag.strip().removeprefix("W/") for tag in (header or "").split(",")]
    return etag in tags or "*" in tags


def _name(asset: AssetRecord) -> str:
    name = PurePosixPath((asset.file_path or "").replace("\\", "/")).name
    ending = mimetypes.guess_extension(asset.content_type.partition(";")[0]) or ""
    return name or f"{asset.id}{ending}"
