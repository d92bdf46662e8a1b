"""How much a server may answer, for how long, and from where: for those who do not know the server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp

from comfywire.errors import ReplyRefused

__all__ = ["ReplyLimits", "chunks_of", "whole"]

FRAME_BYTES = 1 << 30
"""The server sends whole pictures and large graphs in one frame; aiohttp's own limit is 4 MiB. A gibibyte is
far above anything real and still keeps a broken peer from filling the memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyLimits:
    """What is taken from a server. The defaults take nearly all: a ComfyUI of one's own may answer at length.

    Attributes:
        json_bytes: The largest reply in JSON; None does not limit.
        catalogue_bytes: The same of ``/object_info``, which is megabytes where many node packs are installed.
        json_seconds: How long a reply in JSON may take; None does not limit.
        file_bytes: The largest file of ``/view``; None does not limit.
        frame_bytes: The largest message of the socket.
        least_rate: Bytes a second that the body of a reply must come with; None does not limit.
        rate_seconds: Over how many seconds at a time that is measured.
        is_plain: Whether compressed replies are refused: a few kilobytes can unpack to gigabytes.
        stays_at_origin: Whether redirects to another host or port are refused.

    """

    json_bytes: int | None = None
    catalogue_bytes: int | None = None
    json_seconds: float | None = None
    file_bytes: int | None = None
    frame_bytes: int = FRAME_BYTES
    least_rate: float | None = None
    rate_seconds: float = 30.0
    is_plain: bool = False
    stays_at_origin: bool = False


async def whole(
    response: aiohttp.ClientResponse, limits: ReplyLimits, *, most: int | None, seconds: float | None = None
) -> bytes:
    """Return the body of a reply.

    Raises:
        ReplyRefused: It is larger than ``most`` bytes, takes more than ``seconds``, comes too slowly, or is
            compressed.

    """
    if most is None and seconds is None and limits.least_rate is None:
        return await response.read()
    if response.content.is_eof():
        return await _body(response, limits, most)  # it has come with the head, as most answers do
    try:
        async with asyncio.timeout(seconds):
            return await _body(response, limits, most)
    except TimeoutError:
        raise ReplyRefused(f"the answer to {_name(response)} took over {seconds:g} s") from None


async def _body(response: aiohttp.ClientResponse, limits: ReplyLimits, most: int | None) -> bytes:
    body = bytearray()
    async for chunk in chunks_of(response, limits):
        body += chunk
        if most is not None and len(body) > most:
            raise ReplyRefused(f"{_name(response)} was answered with more than {most} bytes")
    return bytes(body)


def chunks_of(response: aiohttp.ClientResponse, limits: ReplyLimits) -> AsyncIterator[bytes]:
    """Return the body of a reply, chunk by chunk as it comes.

    Raises:
        ReplyRefused: It is compressed although that may not be; or later, it comes too slowly.

    """
    if limits.is_plain and response.headers.get("Content-Encoding", "identity") != "identity":
        raise ReplyRefused(f"{_name(response)} was answered compressed, which was not asked for")
    if limits.least_rate is None:
        return response.content.iter_any()
    return _paced(response, limits.least_rate * limits.rate_seconds, limits.rate_seconds)


async def _paced(response: aiohttp.ClientResponse, least: float, seconds: float) -> AsyncIterator[bytes]:
    """Yield the body; raise if less than ``least`` bytes of it came in so many seconds."""
    now = asyncio.get_running_loop().time
    until, received = now() + seconds, 0
    while True:
        chunk: bytes | None = response.content.read_nowait()
        if chunk == b"" and not response.content.at_eof():
            chunk = None  # only waiting is limited: it costs more than reading what is there
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(until):
                    chunk = await response.content.readany()
        if chunk == b"":
            return
        if chunk is not None:
            received += len(chunk)
            yield chunk
        if now() >= until:
            if received < least:
                raise ReplyRefused(
                    f"of the answer to {_name(response)}, {received} bytes came in {seconds:g} seconds"
                )
            until, received = now() + seconds, 0


def _name(response: aiohttp.ClientResponse) -> str:
    return f"{response.method} {response.url.path}"
