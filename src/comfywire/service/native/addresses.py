"""Addresses that say more than a route: ``/k/<key>/…`` for programs that can send no key, and ``/editor/…``.

Before anything looks at the path: what is behind this layer never sees the key there, so that no log, link or
error can have it.
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from comfywire.service.api.guards import is_foreign, is_rebound
from comfywire.service.native.callers import KEY_ID, PREFIX_KEY
from comfywire.service.native.face import refusal
from comfywire.service.settings import Settings

__all__ = ["OneKey", "PathRewriter"]

KEYS = "/k/"
EDITOR = "/editor/"


class PathRewriter:
    """Rewrites paths, of requests and of sockets.

    Args:
        app: Serves what is rewritten.
        roots: The first parts of the paths that ComfyUI's API has, which the editor asks for below its own.

    """

    def __init__(self, app: ASGIApp, roots: Collection[str]) -> None:
        self._app = app
        self._roots = frozenset(roots)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] in ("http", "websocket"):
            _take_key(scope)
            self._leave_editor(scope)
        await self._app(scope, receive, send)

    def _leave_editor(self, scope: Scope) -> None:
        path: str = scope["path"]
        if path.startswith(EDITOR) and path[len(EDITOR) :].partition("/")[0] in self._roots:
            _drop_first(scope, 1)


class OneKey:
    """An address at which every request is one key's: for programs that can send nothing, not even a path.

    A page in a browser reaches it, too, on the machine that it listens on; so it answers to its own names
    only, and to no page of another site.

    Args:
        app: Serves the requests.
        key_id: Whose they are, as far as ComfyUI's API goes; our own API asks for a key here as anywhere.
        settings: Where it listens, as ``host`` and ``port``, and which pages may call.

    """

    def __init__(self, app: ASGIApp, key_id: UUID, settings: Settings) -> None:
        self._app = app
        self._key_id = key_id
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if not is_rebound(headers, self._settings) and not is_foreign(headers, self._settings):
            scope[KEY_ID] = self._key_id
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await WebSocket(scope, receive, send).send_denial_response(_refusal())
        else:
            await _refusal()(scope, receive, send)


def _refusal() -> Response:
    return refusal(HTTPException(403, "pages of other sites may not use this address"))


def _take_key(scope: Scope) -> None:
    path: str = scope["path"]
    key, slash, _ = path.removeprefix(KEYS).partition("/")
    if path.startswith(KEYS) and key and slash:
        _drop_first(scope, 2)
        scope[PREFIX_KEY] = key


def _drop_first(scope: Scope, parts: int) -> None:
    """Take the first parts off a path, in place: who called may write this very scope into a log."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    scope["path"] = "/" + scope["path"].split("/", parts + 1)[-1]
    scope["raw_path"] = b"/" + raw.split(b"/", parts + 1)[-1]
