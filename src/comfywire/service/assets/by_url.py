"""Inputs by URL, fetched so that no caller sees the network that the service stands in; and inline inputs."""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from collections.abc import AsyncIterator, Hashable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import unquote, unquote_to_bytes

import httpx

from comfywire.errors import ComfywireError
from comfywire.service.addresses import GuardedTransport, PrivateAddress, UnknownHost
from comfywire.service.assets.blobs import TooLarge
from comfywire.service.assets.chunks import CHUNK
from comfywire.service.settings import Settings

__all__ = ["RemoteFile", "UnusableInput", "fetch_input", "from_base64"]

TIME_LIMIT = 120.0
"""Seconds for the whole fetch: names, connections, redirects, the body."""
CONNECT_TIME = 10.0
MOST_REDIRECTS = 5
TYPES = re.compile(r"(image|video|audio|model)/[\w.+-]+|(application|binary)/octet-stream", re.ASCII)
"""The media types that ComfyUI's loaders read. No text: no page of the service's own network gets out."""


class UnusableInput(ComfywireError):
    """An input by URL, or an inline input, could not be fetched or may not be used."""

    code = "invalid_input"
    http_status = 422


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file that is being fetched.

    Attributes:
        name: The last part of the URL, if there is one.
        content_type: The media type that the server says, without parameters.
        chunks: The bytes as they come; raises :class:`TooLarge` or :class:`UnusableInput`.

    """

    name: str | None
    content_type: str
    chunks: AsyncIterator[bytes]


@asynccontextmanager
async def fetch_input(
    url: str,
    *,
    settings: Settings,
    transport: httpx.AsyncBaseTransport | None = None,
    time_limit: float = TIME_LIMIT,
    owner: Hashable = None,
) -> AsyncIterator[RemoteFile]:
    """Fetch ``http(s)://…``, or read ``data:…``; the file is to be read inside ``async with``.

    Every address, that of each redirect as well, is checked to be public, and the connection goes to the
    address that was checked (unless ``settings.allow_private_urls``). No proxies, cookies or credentials are
    used.

    Args:
        url: The URL that a caller gave.
        settings: The largest size, and whether private addresses may be reached.
        transport: Replaces the guarded transport, where the caller of this knows what it reaches.
        time_limit: Seconds for the whole fetch, the block of ``async with`` included.
        owner: Whose input it is: that key waits where names are not answered for.

    Raises:
        UnusableInput: The address is private, the type is wrong, or nothing came.
        TooLarge: The file is larger than an asset may be.

    """
    if url[:5].lower() == "data:":
        yield _from_data_url(url, settings.max_upload_bytes)
        return
    guarded = transport or GuardedTransport(allow_private=settings.allow_private_urls)
    try:
        async with asyncio.timeout(time_limit), _client(guarded) as client:
            response = await _followed(client, url, owner)
            async with aclosing(response):
                yield _file(response, settings.max_upload_bytes)
    except TimeoutError as error:
        raise UnusableInput(f"the input was not there within {time_limit:g} seconds: upload it") from error
    except httpx.HTTPError as error:
        raise UnusableInput(
            f"the input could not be fetched: {str(error) or type(error).__name__}"
        ) from error


def from_base64(text: str, *, most: int, content_type: str = "application/octet-stream") -> RemoteFile:
    """Return the file that ``text`` holds in base64.

    Raises:
        UnusableInput: ``text`` is not base64.
        TooLarge: The file has more than ``most`` bytes.

    """
    if len(text) // 4 * 3 > most + 3:
        raise TooLarge(most)
    try:
        return _inline(base64.b64decode(text, validate=True), content_type, most)
    except (binascii.Error, ValueError):
        raise UnusableInput("the input is neither a URL nor base64: write one of them") from None


def _from_data_url(url: str, most: int) -> RemoteFile:
    head, comma, body = url[5:].partition(",")
    if not comma:
        raise UnusableInput("the data: URL has no comma before its data: put one there")
    kind, *options = (part.strip() for part in head.split(";"))
    content_type = _allowed(kind or "text/plain")
    if "base64" in (option.lower() for option in options):
        return from_base64(unquote(body), most=most, content_type=content_type)
    return _inline(unquote_to_bytes(body), content_type, most)


def _inline(content: bytes, content_type: str, most: int) -> RemoteFile:
    if len(content) > most:
        raise TooLarge(most)
    return RemoteFile(None, content_type, _pieces(content))


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), CHUNK):
        yield content[start : start + CHUNK]


def _client(transport: httpx.AsyncBaseTransport) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=transport,
        trust_env=False,
        timeout=httpx.Timeout(30.0, connect=CONNECT_TIME),
        # A compressed body could be far larger than it seems.
        headers={"Accept-Encoding": "identity", "User-Agent": "comfywire"},
    )


async def _followed(client: httpx.AsyncClient, url: str, owner: Hashable) -> httpx.Response:
    """Return the response at the end of the redirects, open; bodies on the way are not read."""
    address: httpx.URL | str = url
    for _ in range(MOST_REDIRECTS + 1):
        response = await _sent(client, address, owner)
        if response.next_request is None:
            return response
        address = response.next_request.url
        await response.aclose()
    raise UnusableInput(f"the URL is redirected more than {MOST_REDIRECTS} times: give the last one")


async def _sent(client: httpx.AsyncClient, address: httpx.URL | str, owner: Hashable) -> httpx.Response:
    # Each redirect is a new request, so that no cookie or credential of one host reaches the next.
    client.cookies.clear()
    try:
        request = client.build_request("GET", _checked(address), extensions={"owner": owner})
        return await client.send(request, stream=True)
    except PrivateAddress:  # the message has the address, which the caller must not learn
        host = httpx.URL(address).host
        raise UnusableInput(f"host {host!r} has no public address: use a public URL, or upload it") from None
    except UnknownHost as error:
        raise UnusableInput(str(error)) from error
    except (httpx.InvalidURL, UnicodeError) as error:  # httpx reads where a redirect leads before we do
        raise UnusableInput(
            f"the input's URL leads to one that cannot be read ({error}): correct it"
        ) from error


def _checked(address: httpx.URL | str) -> httpx.URL:
    try:
        url = httpx.URL(address)
    except (httpx.InvalidURL, ValueError) as error:
        raise UnusableInput(f"the input's URL cannot be read ({error}): correct it") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise UnusableInput(f"inputs come by http, https or data URL, not by {url.scheme or 'none'!r}")
    if (url.port or 0) > 65_535:
        raise UnusableInput(f"the input's URL cannot be read (port {url.port}): correct it")
    if url.userinfo:
        raise UnusableInput("the input's URL has a user name: give one that needs none, or upload it")
    return url


def _file(response: httpx.Response, most: int) -> RemoteFile:
    if response.status_code != 200:
        raise UnusableInput(f"{response.url.host} answered {response.status_code}: check the URL")
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnusableInput(f"{response.url.host} sends the file compressed, unasked: upload it")
    length = response.headers.get("content-length", "")
    if length.isdecimal() and int(length[:19]) > most:
        raise TooLarge(most)
    kind = response.headers.get("content-type", "application/octet-stream")
    name = PurePosixPath(unquote(response.url.path)).name
    return RemoteFile(name or None, _allowed(kind.partition(";")[0].strip()), _bounded(response, most))


def _allowed(content_type: str) -> str:
    if not TYPES.fullmatch(content_type.lower()):
        raise UnusableInput(f"the input is {content_type[:80]!r}: images, video, audio and models are taken")
    return content_type.lower()


async def _bounded(response: httpx.Response, most: int) -> AsyncIterator[bytes]:
    read = 0
    async for chunk in response.aiter_raw(CHUNK):
        read += len(chunk)
        if read > most:
            raise TooLarge(most)
        yield chunk
