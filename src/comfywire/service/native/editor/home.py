"""The home server: the one ComfyUI whose node packs' own routes and browser scripts the service passes on.

Off unless the operator names one (``--native-home``). Requests go to that address and nowhere else, without
what the caller proves themselves with, and come back bounded in size and time.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, aclosing
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import httpx
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from comfywire.errors import ComfywireError

__all__ = ["Home", "HomeAway", "RefusedByHome"]

PATIENCE = httpx.Timeout(30.0, connect=5.0)
"""Seconds for a connection, and for each piece of an answer."""
LONGEST = 300.0
"""Seconds for a whole answer."""
LARGEST = 512 << 20
"""Bytes of an answer: node packs send films, too."""
LARGEST_JSON = 8 << 20
AT_A_TIME = 32
SENT_ON = ("accept", "accept-language", "content-type", "if-modified-since", "if-none-match", "range")
"""Of a request; nothing that says who asks."""
PASSED_BACK = (
    *("accept-ranges", "cache-control", "content-disposition", "content-encoding", "content-length"),
    *("content-range", "content-type", "etag", "last-modified", "vary"),
)
SAFE = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
INERT = {**SAFE, "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'"}
"""For what is no script of a pack: packs show files, which may be anybody's, and nothing in these may run."""


class HomeAway(ComfywireError):
    """The home server does not answer."""

    code = "home_unreachable"
    http_status = 502


class RefusedByHome(ComfywireError):
    """The home server answers with something that is not passed on."""

    code = "home_unusable"
    http_status = 502


class Home:
    """One ComfyUI.

    Args:
        url: Its address, with ``user:password@`` and a query if it wants these.

    """

    def __init__(self, url: str) -> None:
        whole = httpx.URL(url)
        self._auth = (whole.username, whole.password) if whole.username else None
        self._query = parse_qsl(whole.query.decode())
        self._base = whole.copy_with(username=None, password=None, query=None, fragment=None)
        self._turns = asyncio.Semaphore(AT_A_TIME)

    async def json(self, path: str) -> Any:
        """Return what a GET of a path answers.

        Raises:
            HomeAway: It does not answer, or not with JSON.

        """
        try:
            async with (
                asyncio.timeout(PATIENCE.read),
                self._client() as client,
                client.stream("GET", self._url(path, ())) as response,
            ):
                response.raise_for_status()
                whole = bytearray()
                async for chunk in response.aiter_bytes():
                    whole += chunk
                    if len(whole) > LARGEST_JSON:
                        raise self._away(f"its {path} is longer than {LARGEST_JSON} bytes")
            return await asyncio.to_thread(json.loads, bytes(whole))
        except (httpx.HTTPError, TimeoutError, ValueError) as error:
            raise self._away(str(error) or type(error).__name__) from error

    async def passed_on(
        self, request: Request, path: str, body: bytes | None, *, is_script: bool = False
    ) -> Response:
        """Return the home server's answer to a request.

        Raises:
            HomeAway: It does not answer.
            RefusedByHome: It wants to send the caller elsewhere.

        """
        query = [pair for pair in parse_qsl(request.url.query, keep_blank_values=True) if pair[0] != "token"]
        headers = {name: request.headers[name] for name in SENT_ON if name in request.headers}
        headers["accept-encoding"] = "identity"
        until_sent = AsyncExitStack()
        try:
            await until_sent.enter_async_context(self._turns)
            client = await until_sent.enter_async_context(self._client())
            asked = client.build_request(
                request.method, self._url(path, query), headers=headers, content=body
            )
            response = await client.send(asked, stream=True)
            until_sent.push_async_callback(response.aclose)
            self._must_be_passed(response)
        except BaseException as error:
            await until_sent.aclose()
            if isinstance(error, httpx.HTTPError):
                raise self._away(str(error) or type(error).__name__) from error
            raise
        kept = {name: response.headers[name] for name in PASSED_BACK if name in response.headers}
        return _Passed(response, until_sent, kept | (SAFE if is_script else INERT))

    def _must_be_passed(self, response: httpx.Response) -> None:
        if response.is_redirect:
            raise RefusedByHome(
                f"{self._base} sends {response.url.path} elsewhere, which is not followed: name the address "
                "at which it answers itself"
            )
        if int(response.headers.get("content-length", 0)) > LARGEST:
            raise RefusedByHome(f"{response.url.path} is larger than {LARGEST} bytes")

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            auth=self._auth, timeout=PATIENCE, verify=_certificates(), trust_env=False, follow_redirects=False
        )

    def _url(self, path: str, query: Any) -> httpx.URL:
        pairs = urlencode([*query, *self._query])
        raw = self._base.raw_path.rstrip(b"/") + quote(path, safe="/~!$&'()*+,;=:@").encode()
        url = self._base.copy_with(raw_path=raw + (f"?{pairs}".encode() if pairs else b""))
        # httpx takes "/./" out of a path: what was judged must be what is sent.
        if url.raw_path.partition(b"?")[0] != raw:
            raise RefusedByHome(f"{path[:80]!r} can be read in two ways: ask for it by its plain path")
        return url

    def _away(self, why: str) -> HomeAway:
        return HomeAway(f"the home server {self._base} does not answer: {why}")


class _Passed(StreamingResponse):
    """An answer on its way; the connection to the home server ends with it."""

    def __init__(
        self, response: httpx.Response, until_sent: AsyncExitStack, headers: Mapping[str, str]
    ) -> None:
        self._until_sent = until_sent
        self._pieces = _bounded(response)
        super().__init__(self._pieces, response.status_code, dict(headers))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._until_sent, aclosing(self._pieces):
            await super().__call__(scope, receive, send)


async def _bounded(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    sent, until = 0, time.monotonic() + LONGEST
    async for chunk in response.aiter_raw():
        sent += len(chunk)
        if sent > LARGEST or time.monotonic() > until:
            raise RefusedByHome(
                f"{response.url.path} is too much: {LARGEST} bytes and {LONGEST:.0f} s at most"
            )
        yield chunk


@cache
def _certificates() -> ssl.SSLContext:
    """To read them takes longer than a request."""
    return httpx.create_ssl_context(trust_env=False)
