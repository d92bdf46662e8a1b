"""Redirects that are not followed, and where they lead, in words."""

from __future__ import annotations

from types import SimpleNamespace
from typing import NoReturn
from urllib.parse import urljoin, urlsplit

import aiohttp

from comfywire.errors import ServerError

__all__ = ["moved", "origin_of", "refuse_to_follow"]


async def refuse_to_follow(
    _session: aiohttp.ClientSession,
    _context: SimpleNamespace,
    redirect: aiohttp.TraceRequestRedirectParams,
) -> NoReturn:
    """Sockets are opened by aiohttp, which would take our headers along to another origin."""
    redirect.response.close()
    raise moved(redirect.response)


def origin_of(url: str) -> str:
    """Return scheme, host and port of a URL: what is shown of one that may hold anything."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def moved(response: aiohttp.ClientResponse) -> ServerError:
    """Return the error that says where a server has gone."""
    target = urljoin(str(response.url), response.headers.get("Location", "")).split("?", 1)[0]
    target = f"http{target[2:]}" if target.startswith("ws") else target  # what users write
    hint = f"moved to {target}: use the server's new address"
    return ServerError(response.status, response.method, response.url.path, hint)
