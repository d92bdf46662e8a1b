"""HTTP to one server: JSON and bytes, statuses as exceptions, credentials to nobody else."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from io import BytesIO
from types import SimpleNamespace
from typing import Any, BinaryIO, NoReturn
from urllib.parse import urljoin, urlsplit

import aiohttp

from comfywire.errors import ComfywireError, ReplyRefused, ServerError, UnexpectedReply

from .address import Address
from .failures import NETWORK_ERRORS, raise_as_ours
from .limits import ReplyLimits, whole
from .news import News
from .web_socket import Socket, open_socket

__all__ = ["Http", "Part"]

UNLIMITED = ReplyLimits()
log = logging.getLogger("comfywire")

# The twins under /api are what proxies forward and what newer routes are declared as (server.py, add_routes,
# 0.3.64); servers from before June 2024 lack them.
PREFIX = "/api"
MOVED = (301, 302, 303, 307, 308)
PASSING = (502, 503, 504)
"""What a proxy answers while the server behind it does not."""
LONGEST_REFUSAL_BYTES = 8 << 20
"""A rejection quotes the choices of every wrong input, so it can be long."""
PING_INTERVAL = 25.0
"""Seconds between the pings of a socket."""
WRITTEN_AT_ONCE_BYTES = 1 << 16
"""What is longer is written piece by piece, which takes a task of aiohttp's."""
Part = tuple[str, str | bytes | BinaryIO, str | None]
"""A field of an upload: name, content, and the file name if it is a file."""


class Http:
    """One pool of connections to one server."""

    def __init__(
        self,
        address: Address,
        *,
        connect_timeout: float = 10.0,
        read_timeout: float = 60.0,
        verify: bool = True,
        limits: ReplyLimits = UNLIMITED,
        ping_interval: float = PING_INTERVAL,
    ) -> None:
        self.address = address
        self.limits = limits
        self._ping_interval = ping_interval
        self.news = News(address.url)
        """Whether the server answers, for those who wait for it."""
        self._prefix = PREFIX
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=100, ssl=verify),
            timeout=aiohttp.ClientTimeout(sock_connect=connect_timeout, sock_read=read_timeout),
            auto_decompress=not limits.is_plain,
        )
        tracing = aiohttp.TraceConfig()
        tracing.on_request_redirect.append(_refuse_to_follow)
        # A session of their own, because tracing costs each request a tenth of its time.
        self._sockets = aiohttp.ClientSession(
            connector=self._session.connector,
            connector_owner=False,
            timeout=self._session.timeout,
            trace_configs=[tracing],
        )

    async def close(self) -> None:
        """Close every connection."""
        self.news.close()
        await self._sockets.close()
        await self._session.close()

    def public_url(self, path: str) -> str:
        """Return the address of ``path`` without user, password and query: to show, not to fetch from."""
        return self.address.url + self._prefix + path

    async def get_json(self, path: str, **query: str) -> Any:
        """Return the JSON that ``GET path`` answers.

        Raises:
            ServerError: It was answered with an error status.
            UnexpectedReply: The answer is not JSON.
            ConnectionFailed: The server was not reached.
            ConnectionLost: The connection broke.

        """
        async with self.request("GET", path, query=query) as response:
            return _parse(await self._body(response), f"GET {path}")

    async def get_object(self, path: str, **query: str) -> dict[str, Any]:
        """Return the JSON object that ``GET path`` answers; raises like :meth:`get_json`."""
        reply = await self.get_json(path, **query)
        if not isinstance(reply, dict):
            raise UnexpectedReply(f"GET {path} was not answered with an object: {str(reply)[:80]}")
        return reply

    async def post_json(self, path: str, body: object) -> Any:
        """Return the JSON that ``POST path`` answers, or None; raises like :meth:`get_json`."""
        encoded = json.dumps(body).encode()
        content = encoded if len(encoded) <= WRITTEN_AT_ONCE_BYTES else BytesIO(encoded)
        async with self.request("POST", path, content=content, kind="application/json") as response:
            reply = await self._body(response)
            return _parse(reply, f"POST {path}") if reply.strip() else None

    async def post_parts(self, path: str, parts: list[Part]) -> Any:
        """Return the JSON that a multipart ``POST path`` answers; files are streamed."""
        form = aiohttp.FormData(quote_fields=False)
        for name, content, filename in parts:
            form.add_field(name, content, filename=filename and _quotable(filename))
        async with self.request("POST", path, content=form) as response:
            return _parse(await self._body(response), f"POST {path}")

    @asynccontextmanager
    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | BinaryIO | aiohttp.FormData | None = None,
        kind: str | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Exchange one request; the response's body is still to be read, inside the context."""
        self._must_be_open()
        url = self.address.http(self._prefix + path, **(query or {}))
        sent = {
            **self.address.headers,
            **({"Content-Type": kind} if kind else {}),
            **({"Accept-Encoding": "identity"} if self.limits.is_plain else {}),
            **(headers or {}),
        }
        response = None
        try:
            response = await self._noted(
                f"{method} {path}", self._answer(method, url, sent, content), content
            )
            if response.status >= 400:
                raise ServerError(response.status, method, path, await _excerpt(response))
            yield response
        except NETWORK_ERRORS as error:
            self._raise(error, f"{method} {path}")
        finally:
            if response is not None:
                response.release()

    async def _noted(
        self, what: str, answer: Coroutine[Any, Any, aiohttp.ClientResponse], content: object
    ) -> aiohttp.ClientResponse:
        """Return the answer, and let those who wait know of it; an upload takes the time that it takes."""
        if isinstance(content, aiohttp.FormData):
            response = await answer
        else:
            with self.news.asked(what):
                response = await answer
        if response.status in PASSING:
            self.news.failed(
                f"{what} was answered {response.status} by what stands before {self.address.url}"
            )
        else:
            self.news.heard()
        return response

    def _raise(self, error: Exception, doing: str) -> NoReturn:
        try:
            raise_as_ours(error, doing, self.address.url)
        except ComfywireError as ours:
            self.news.failed(str(ours))
            raise

    async def _answer(
        self, method: str, url: str, headers: Mapping[str, str], content: Any
    ) -> aiohttp.ClientResponse:
        """Follow redirects of reads ourselves, so that our headers stay with our origin."""
        for _ in range(6):
            response = await self._session.request(
                method, url, headers=headers, data=content, allow_redirects=False
            )
            if response.status not in MOVED:
                return response
            response.release()
            target = response.headers.get("Location")
            if target is None or method not in ("GET", "HEAD"):
                raise _moved(response)
            url = urljoin(url, target)
            if not url.startswith(self.address.origin + "/"):
                if self.limits.stays_at_origin:
                    raise ReplyRefused(
                        f"{method} {response.url.path} is redirected from {self.address.url} to "
                        f"{_origin_of(url)}, where nothing is fetched from"
                    )
                headers = {name: value for name, value in headers.items() if name.lower() == "range"}
        raise UnexpectedReply(f"{self.address.url} redirects in circles")

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        is_catalogue = "/object_info" in response.url.path
        most = self.limits.catalogue_bytes if is_catalogue else self.limits.json_bytes
        return await whole(response, self.limits, most=most, seconds=self.limits.json_seconds)

    async def file_of(self, response: aiohttp.ClientResponse) -> bytes:
        """Return the body of a response that is a file; raises ReplyRefused for one beyond the limits."""
        return await whole(response, self.limits, most=self.limits.file_bytes)

    def _must_be_open(self) -> None:
        if self._session.closed:
            raise RuntimeError("this client is closed: read and save outputs before it is")
        self.news.must_be_in_its_loop()

    async def open_socket(self, client_id: str) -> Socket:
        """Open the socket that hears the messages of ``client_id``; raises like :meth:`get_json`."""
        self._must_be_open()
        try:
            return await self._socket(f"{self._prefix}/ws", client_id)
        except ServerError as error:
            if error.status != 404 or not self._prefix:
                raise
            socket = await self._socket("/ws", client_id)
            self._prefix = ""
            return socket

    async def _socket(self, path: str, client_id: str) -> Socket:
        return await open_socket(
            self._sockets,
            self.address,
            path,
            client_id,
            frame_bytes=self.limits.frame_bytes,
            ping_interval=self._ping_interval,
        )


async def _refuse_to_follow(
    _session: aiohttp.ClientSession,
    _context: SimpleNamespace,
    redirect: aiohttp.TraceRequestRedirectParams,
) -> NoReturn:
    """Sockets are opened by aiohttp, which would take our headers along to another origin."""
    redirect.response.close()
    raise _moved(redirect.response)


def _origin_of(url: str) -> str:
    """Return scheme, host and port of a URL: what is shown of one that may hold anything."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _moved(response: aiohttp.ClientResponse) -> ServerError:
    target = urljoin(str(response.url), response.headers.get("Location", "")).split("?", 1)[0]
    target = f"http{target[2:]}" if target.startswith("ws") else target  # what users write
    hint = f"moved to {target}: use the server's new address"
    return ServerError(response.status, response.method, response.url.path, hint)


def _quotable(filename: str) -> str:
    """Return the name as a form can carry it: as it is, in all but one case.

    aiohttp, and so ComfyUI, splits a header at each ``;`` before it looks for quotes (multipart.py,
    parse_content_disposition, 3.14), so that a name with both would leave the part without a name. Its quotes
    are sent as browsers send theirs.
    """
    return filename.replace('"', "%22") if ";" in filename else filename


async def _excerpt(response: aiohttp.ClientResponse) -> str:
    excerpt = bytearray()
    async for chunk in response.content.iter_any():
        excerpt += chunk
        if len(excerpt) >= LONGEST_REFUSAL_BYTES:
            break
    return excerpt.decode("utf-8", errors="replace")


def _parse(body: bytes, request: str) -> Any:
    begin = body[:80]
    try:
        text = body.decode(json.detect_encoding(body), "surrogatepass")
        del body  # tens of megabytes are there twice at a time, and not four times
        return json.loads(text)  # replies hold NaN, which faster parsers refuse (comfyui-protocol.md 1.1)
    except (ValueError, RecursionError) as error:
        raise UnexpectedReply(f"{request} was not answered with JSON: {begin!r}") from error
