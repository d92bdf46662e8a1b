"""Addresses that say more than a route: ``/k/<key>/…`` for programs that can send no key, and ``/editor/…``.

Before anything looks at the path: what is behind this layer never sees the key there, so that no log, link or
error can have it.
"""

from __future__ import annotations

from collections.abc import Collection

from starlette.types import ASGIApp, Receive, Scope, Send

from comfywire.service.native.callers import PREFIX_KEY

__all__ = ["Addresses"]

KEYS = "/k/"
EDITOR = "/editor/"


class Addresses:
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
