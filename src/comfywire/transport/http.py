"""HTTP to one server: JSON and bytes, statuses as exceptions, credentials to nobody else."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from io import BytesIO
from typing import Any, BinaryIO, NoReturn, TypeAlias
from urllib.parse import urljoin

import aiohttp

from comfywire.errors import ComfywireError, ReplyRefused, ServerError, UnexpectedReply

from .address import Address
from .failures import NETWORK_ERRORS, raise_as_ours
from .limits import ReplyLimits, whole
from .news import News
from .redirects import moved, origin_of, refuse_to_follow
from .replies import excerpt, parse_json
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
PING_INTERVAL = 25.0
"""Seconds between the pings of a socket."""
WRITTEN_AT_ONCE_BYTES = 1 << 16
"""What is longer is written piece by piece, which takes a task of aiohttp's."""
JSON = {"Content-Type": "application/json"}
Content: TypeAlias = "bytes | BinaryIO | aiohttp.FormData | None"
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
        self._headers = {
            **address.headers,
            **({"Accept-Encoding": "identity"} if limits.is_plain else {}),
        }
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=100, ssl=verify),
            timeout=aiohttp.ClientTimeout(sock_connect=connect_timeout, sock_read=read_timeout),
            auto_decompress=not limits.is_plain,
        )
        tracing = aiohttp.TraceConfig()
        tracing.on_request_redirect.append(refuse_to_follow)
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
        async with Exchange(self, "GET", path, query=query) as response:
            return parse_json(await self._body(response, path), f"GET {path}")

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
        async with Exchange(self, "POST", path, headers=JSON, content=content) as response:
            reply = await self._body(response, path)
            return parse_json(reply, f"POST {path}") if reply.strip() else None

    async def post_parts(self, path: str, parts: list[Part]) -> Any:
        """Return the JSON that a multipart ``POST path`` answers; files are streamed."""
        form = aiohttp.FormData(quote_fields=False)
        for name, content, filename in parts:
            form.add_field(name, content, filename=filename and _quotable(filename))
        async with Exchange(self, "POST", path, content=form) as response:
            return parse_json(await self._body(response, path), f"POST {path}")

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        content: Content = None,
        kind: str | None = None,
    ) -> Exchange:
        """Exchange one request; the response's body is still to be read, inside the context."""
        named = {**({"Content-Type": kind} if kind else {}), **(headers or {})}
        return Exchange(self, method, path, query=query, headers=named, content=content)

    async def answer(self, exchange: Exchange) -> aiohttp.ClientResponse:
        """Return the answer to a request, and let those who wait know of it; see :class:`Exchange`."""
        self._must_be_open()
        what = exchange.what
        answer = self._answer(
            exchange.method,
            self.address.http(self._prefix + exchange.path, **(exchange.query or {})),
            {**self._headers, **(exchange.headers or {})},
            exchange.content,
        )
        if isinstance(exchange.content, aiohttp.FormData):
            response = await answer  # an upload takes the time that it takes
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

    def raise_ours(self, error: Exception, doing: str) -> NoReturn:
        """Raise what an error of aiohttp means to us, and let those who wait know of it."""
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
                raise moved(response)
            url = urljoin(url, target)
            if not url.startswith(self.address.origin + "/"):
                if self.limits.stays_at_origin:
                    raise ReplyRefused(
                        f"{method} {response.url.path} is redirected from {self.address.url} to "
                        f"{origin_of(url)}, where nothing is fetched from"
                    )
                headers = {name: value for name, value in headers.items() if name.lower() == "range"}
        raise UnexpectedReply(f"{self.address.url} redirects in circles")

    async def _body(self, response: aiohttp.ClientResponse, path: str) -> bytes:
        is_catalogue = path.startswith("/object_info")
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


class Exchange:
    """One request and its answer: a context, inside which the body of the answer is read.

    A class, since what a generator made of it cost each request as much as reading its reply did.
    """

    __slots__ = ("_http", "_response", "content", "headers", "method", "path", "query")

    def __init__(
        self,
        http: Http,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        content: Content = None,
    ) -> None:
        self._http = http
        self.method, self.path, self.query = method, path, query
        self.headers, self.content = headers, content
        self._response: aiohttp.ClientResponse | None = None

    @property
    def what(self) -> str:
        """The request, in words."""
        return f"{self.method} {self.path}"

    async def __aenter__(self) -> aiohttp.ClientResponse:
        """Send the request, and return its answer unless that is an error."""
        try:
            response = self._response = await self._http.answer(self)
            if response.status < 400:
                return response
            refusal = ServerError(response.status, self.method, self.path, await excerpt(response))
        except BaseException as error:
            self._leave(error)
            raise
        response.release()
        raise refusal

    async def __aexit__(self, _: object, error: BaseException | None, __: object) -> None:
        """Give the connection back; what broke inside the context is raised as ours."""
        self._leave(error)

    def _leave(self, error: BaseException | None) -> None:
        if self._response is not None:
            self._response.release()
        if isinstance(error, NETWORK_ERRORS):
            self._http.raise_ours(error, self.what)


def _quotable(filename: str) -> str:
    """Return the name as a form can carry it: as it is, in all but one case.

    aiohttp, and so ComfyUI, splits a header at each ``;`` before it looks for quotes (multipart.py,
    parse_content_disposition, 3.14), so that a name with both would leave the part without a name. Its quotes
    are sent as browsers send theirs.
    """
    return filename.replace('"', "%22") if ";" in filename else filename
