"""Who may ask: everybody on this machine, or whoever knows the token."""

from __future__ import annotations

import hmac
import ipaddress
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler, Middleware

__all__ = ["is_loopback", "refuse_public", "require_token"]

COOKIE = "comfywire_token"
PAGE = "/"
ASKS = (
    "This server asks for its token: send it as a bearer token, or open /?token=TOKEN in a browser, "
    "which then keeps it.\n"
)


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach ``host``; an empty one is every address there is."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def refuse_public(host: str, token: str | None) -> None:
    """Refuse to be reached by others without asking who they are.

    Raises:
        ValueError: ``host`` is no loopback address, and there is no ``token``.

    """
    if not token and not is_loopback(host):
        raise ValueError(
            f"{host!r} is not a loopback address, and this server would let everybody in; give it a token"
        )


def require_token(token: str) -> Middleware:
    """Answer 401 to whoever sends no ``token``: as a bearer token, in the query, or in the page's cookie."""

    @web.middleware
    async def require(request: web.Request, handler: Handler) -> web.StreamResponse:
        in_query = request.query.get("token", "")
        in_header = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not any(_is_same(token, sent) for sent in (in_header, in_query, request.cookies.get(COOKIE, ""))):
            return web.Response(status=401, text=ASKS, headers={"WWW-Authenticate": "Bearer"})
        if request.path == PAGE and in_query:
            return _kept(token)
        return await handler(request)

    return require


def _is_same(token: str, sent: str) -> bool:
    return hmac.compare_digest(token.encode(), sent.encode())


def _kept(token: str) -> web.Response:
    """Move the token from the address, which is shown and remembered, into a cookie, which is not."""
    moved = web.Response(status=303, headers={"Location": "./"})
    moved.set_cookie(COOKIE, token, httponly=True, samesite="Strict")
    return moved
