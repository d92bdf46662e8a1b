"""What every request must pass before any of its body is parsed: host, origin and size."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import re
import uuid
from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from comfywire.service.settings import Settings

from .errors import Dialects

__all__ = ["SAFE_METHODS", "Guard", "TooLargeBody", "is_foreign", "is_own_page", "is_rebound"]

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
OWN_LIMITS = frozenset(
    {"/api/v2/assets", "/v1/images/edits", "/v1/videos"}
    | {f"{prefix}/upload/{what}" for prefix in ("", "/api") for what in ("image", "mask")}
)
"""Uploads, which the guard does not bound: their routes count the bytes while they come."""
OWN_LIMITS_BELOW = tuple(
    f"{prefix}/api/etn/{what}/" for prefix in ("", "/api") for what in ("image", "upload")
)
"""Files that are put under names of their own: the same."""
REQUEST_ID = "X-Comfy-Request-Id"
HOST = re.compile(r"([\w.~!$&'()*+,;=%-]+|\[[0-9a-f:.]+\])(:\d{0,5})?", re.ASCII | re.IGNORECASE)
"""``Host`` as RFC 3986 has it: the service builds links out of it, so nothing else may stand there."""
log = logging.getLogger("comfywire.service")


class TooLargeBody(HTTPException):
    """A body is larger than the service takes."""

    def __init__(self, most: int) -> None:
        super().__init__(413, f"the body is larger than {most} bytes, the most that is taken: send less")


class Guard:
    """Looks at every request before the application does, and gives every answer an id.

    Args:
        app: Serves the requests that pass.
        settings: The sizes, addresses and origins that are allowed.
        dialects: In whose shape a refusal is told.

    """

    def __init__(self, app: ASGIApp, settings: Settings, dialects: Dialects | None = None) -> None:
        self._app = app
        self._settings = settings
        self._dialects = dialects or Dialects()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        answer = _Answer(send)
        refusal = self._refusal(scope)
        told = None if refusal is None else self._dialects.told(scope["path"], refusal)
        if told is not None and scope["type"] == "websocket":
            await WebSocket(scope, receive, answer.send).send_denial_response(told)
        elif told is not None:
            await told(scope, receive, answer.send)
        elif scope["type"] == "websocket":
            await self._app(scope, receive, answer.send)
        else:
            await self._served(scope, receive, answer)

    async def _served(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        """Serve a request; answer errors that nobody expected, so that uvicorn keeps the connection."""
        try:
            await self._app(scope, self._counted(scope, receive), answer.send)
        except ClientDisconnect:
            return  # the client is gone, and takes no answer
        except Exception as error:
            if answer.has_begun:
                raise  # a status was sent: uvicorn closes the connection, which shows the client
            log.exception("%s %s failed", scope["method"], scope["path"])
            await self._dialects.told(scope["path"], error)(scope, receive, answer.send)

    def _refusal(self, scope: Scope) -> HTTPException | None:
        headers = Headers(scope=scope)
        settings = self._settings
        if not _is_host(headers.get("host", "")):
            return HTTPException(400, f"the header Host: {headers['host'][:80]!r} is no host: send its name")
        if "\0" in scope["path"] or b"%00" in scope["query_string"]:
            return HTTPException(400, "the address holds a NUL (%00), which no name can have: leave it out")
        changes = scope["type"] == "websocket" or scope["method"] not in SAFE_METHODS
        if not settings.keys_required and is_rebound(headers, settings):
            return HTTPException(
                403,
                f"without keys, this service answers to its own addresses only, not {headers.get('host')!r}: "
                "`comfywire serve --base-url` gives it another, and with --keys it answers to any",
            )
        if changes and is_foreign(headers, settings):
            return HTTPException(
                403,
                f"pages of {headers['origin']!r} may not do it: `comfywire serve --cors-origin` allows them",
            )
        length = headers.get("content-length", "")
        most = self._limit(scope)
        if most is not None and length.isdecimal() and int(length[:19]) > most:
            return TooLargeBody(most)
        return None

    def _limit(self, scope: Scope) -> int | None:
        path: str = scope["path"]
        counts_itself = path in OWN_LIMITS or path.startswith(OWN_LIMITS_BELOW)
        return None if counts_itself else self._settings.max_body_bytes

    def _counted(self, scope: Scope, receive: Receive) -> Receive:
        """Return a ``receive`` that raises once a body is too large, also where the client gave no length."""
        most = self._limit(scope)
        if most is None or scope["type"] == "websocket":
            return receive
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > most:
                raise TooLargeBody(most)
            return message

        return counted


class _Answer:
    """An answer on its way, which is given an id: people quote that when they report an error.

    Args:
        send: Sends the answer's messages to the client.

    Attributes:
        has_begun: Whether the status was sent, after which no other answer can be.

    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self.has_begun = False

    async def send(self, message: Message) -> None:
        """Send one message of the answer."""
        if message["type"] == "http.response.start":
            self.has_begun = True
            MutableHeaders(scope=message).setdefault(REQUEST_ID, uuid.uuid4().hex)
        await self._send(message)


def is_foreign(headers: Mapping[str, str], settings: Settings) -> bool:
    """Whether a page of another site makes a browser send this request.

    The service's cookie does not count there (:func:`is_own_page`), but the browser may be in a network, or
    on a machine, that reaches the service where the page's author does not.
    """
    origin = headers.get("origin")
    if origin is None or origin in settings.cors_origins or "*" in settings.cors_origins:
        return False
    return not is_own_page(headers, settings)


def is_own_page(headers: Mapping[str, str], settings: Settings) -> bool:
    """Whether a page of this service makes a browser send this request; false where no page is named.

    With a GET of a page's own address browsers send no ``Origin``, but ``Sec-Fetch-Site``, which no page can
    set; over plain HTTP they send that to the machine itself only.
    """
    origin = headers.get("origin")
    if origin is None:
        return headers.get("sec-fetch-site") == "same-origin"
    own = {headers.get("host", "")} | ({urlsplit(settings.base_url).netloc} if settings.base_url else set())
    return _netloc(origin) in own - {""}


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _is_host(text: str) -> bool:
    """Whether ``text`` is a host; an empty one passes, since HTTP/1.0 sends none."""
    try:
        urlsplit(f"//{text}")
    except ValueError:  # what stands in brackets is no IPv6 address
        return False
    return text == "" or HOST.fullmatch(text) is not None


def is_rebound(headers: Mapping[str, str], settings: Settings) -> bool:
    """Whether the request names a host that is not ours, as after DNS rebinding.

    There a page's author points the name of the page at this address, after the browser has loaded the page:
    the browser then takes the service for a part of that site.
    """
    host = urlsplit(f"//{headers.get('host', '')}").hostname or ""
    if host in ("localhost", settings.host.lower()) or host.endswith(".localhost"):
        return False
    if settings.base_url is not None and host == urlsplit(settings.base_url).hostname:
        return False
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(host)
        return False
    return True
