"""The bodies of replies: JSON, and the first words of a refusal."""

from __future__ import annotations

import json
from typing import Any

import aiohttp

from comfywire.errors import UnexpectedReply

__all__ = ["excerpt", "parse_json"]

LONGEST_REFUSAL_BYTES = 8 << 20
"""A rejection quotes the choices of every wrong input, so it can be long."""


async def excerpt(response: aiohttp.ClientResponse) -> str:
    """Return the beginning of a refusal, or all of it."""
    begin = bytearray()
    async for chunk in response.content.iter_any():
        begin += chunk
        if len(begin) >= LONGEST_REFUSAL_BYTES:
            break
    return begin.decode("utf-8", errors="replace")


def parse_json(body: bytes, request: str) -> Any:
    """Return the JSON that a body is.

    Raises:
        UnexpectedReply: It is none; ``request`` is what was answered so.

    """
    begin = body[:80]
    try:
        text = body.decode(_encoding(body), "surrogatepass")
        del body  # tens of megabytes are there twice at a time, and not four times
        return json.loads(text)  # replies hold NaN, which faster parsers refuse (comfyui-protocol.md 1.1)
    except (ValueError, RecursionError) as error:
        raise UnexpectedReply(f"{request} was not answered with JSON: {begin!r}") from error


def _encoding(body: bytes) -> str:
    """Two characters of ASCII, neither of them null, are no beginning of another encoding."""
    begin = body[:2]
    return "utf-8" if begin.isascii() and 0 not in begin else json.detect_encoding(body)
