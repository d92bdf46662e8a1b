"""What handlers depend on: the service, the caller, and ids out of paths."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Header
from starlette.requests import HTTPConnection

from comfywire.service.access.callers import Caller
from comfywire.service.access.sessions import COOKIE
from comfywire.service.core import Core

from .errors import NotFound
from .guards import SAFE_METHODS, is_own_page

__all__ = [
    "CALLERS",
    "Administering",
    "IdempotencyKey",
    "Reading",
    "Service",
    "Submitting",
    "caller_of_cookie",
    "core_of",
    "get_caller",
    "get_core",
    "job_id_of",
    "origin_of",
    "secret_of",
]

SUBPROTOCOL = "comfywire.key."
"""How a browser, which cannot set headers, gives its key to a WebSocket: ``comfywire.key.cw_...``."""


def core_of(request: HTTPConnection) -> Core:
    """Return the service that this application serves."""
    core: Core = request.app.state.core
    return core


async def get_core(request: HTTPConnection) -> Core:
    """Like :func:`core_of`; FastAPI would hand a plain function to a thread, for each request."""
    return core_of(request)


async def get_caller(request: HTTPConnection) -> Caller:
    """Return the caller of a request, having counted the request against the key's limit.

    A second call for the same request returns the same caller, and counts nothing.

    Raises:
        Unauthorized: The request presents no key that opens.
        RateLimited: The key makes more requests than it may.

    """
    earlier: Caller | None = getattr(request.state, "caller", None)
    if earlier is not None:
        return earlier
    core = core_of(request)
    secret = secret_of(request)
    session = None if secret else await caller_of_cookie(request)
    caller = session or await core.access.caller(secret)
    await core.limits.take(caller)
    request.state.caller = caller
    return caller


async def get_reader(request: HTTPConnection) -> Caller:
    """Return the caller, if the key may read; raises what :func:`get_caller` does, and Forbidden."""
    return await _caller_for("read", request)


async def get_submitter(request: HTTPConnection) -> Caller:
    """Return the caller, if the key may submit; raises what :func:`get_caller` does, and Forbidden."""
    return await _caller_for("submit", request)


async def get_admin(request: HTTPConnection) -> Caller:
    """Return the caller, if the key is for ``admin``; raises what :func:`get_caller` does, and Forbidden."""
    return await _caller_for("admin", request)


async def _caller_for(scope: str, request: HTTPConnection) -> Caller:
    caller = await get_caller(request)
    caller.must(scope)
    return caller


def secret_of(request: HTTPConnection) -> str | None:
    """Return the key that a request sends as ``Bearer``, or as the subprotocol of a socket."""
    kind, _, secret = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return secret.strip()
    protocols = [name.strip() for name in request.headers.get("sec-websocket-protocol", "").split(",")]
    return next((name[len(SUBPROTOCOL) :] for name in protocols if name.startswith(SUBPROTOCOL)), None)


async def caller_of_cookie(request: HTTPConnection, *, changes: bool = False) -> Caller | None:
    """Return the caller of a browser that has signed in; None where it has not, or where that does not count.

    A browser sends its cookie along with whatever a page asks it to. What changes something, and a socket,
    must therefore come from a page of ours: browsers say so in ``Origin``, with every such request.

    Args:
        request: What the browser sends.
        changes: Whether it changes something though it is a GET.

    Raises:
        Unauthorized: The session has ended.

    """
    token = request.cookies.get(COOKIE)
    if not token:
        return None
    core = core_of(request)
    is_safe = request.scope["type"] == "http" and request.scope["method"] in SAFE_METHODS
    if (changes or not is_safe) and not is_own_page(request.headers, core.settings):
        return None
    return await core.sessions.caller(token)


def origin_of(request: HTTPConnection) -> str:
    """Return the URL by which clients reach the service, for links that must be absolute."""
    scope = request.scope
    at = scope.get("app_root_path", scope.get("root_path", ""))
    return core_of(request).settings.base_url or _origin(
        scope.get("scheme", "http"), request.headers.get("host"), tuple(scope.get("server") or ()), at
    )


@lru_cache(maxsize=256)
def _origin(scheme: str, host: str | None, server: tuple[str, int | None] | tuple[()], path: str) -> str:
    """Return what Starlette's ``Request.base_url`` is: asked for with each job, and told by few hosts."""
    headers = [] if host is None else [(b"host", host.encode("latin-1"))]
    scope = {
        "type": "http",
        "scheme": scheme,
        "server": server or None,
        "headers": headers,
        "root_path": path,
    }
    return str(HTTPConnection(scope).base_url)


def job_id_of(text: str) -> UUID:
    """Return a job's id; a text that is no UUID gets the same answer as an id that no job has.

    Raises:
        NotFound: The text is no UUID.

    """
    try:
        return UUID(text)
    except ValueError:
        raise NotFound(f"there is no job {text[:80]!r}: GET /api/v2/jobs lists yours") from None


Service = Annotated[Core, Depends(get_core)]
Reading = Annotated[Caller, Depends(get_reader)]
Submitting = Annotated[Caller, Depends(get_submitter)]
Administering = Annotated[Caller, Depends(get_admin)]
CALLERS = (get_reader, get_submitter, get_admin)
"""The dependencies by which a route says whom it is for; called before a body is read (admission.py)."""
IdempotencyKey = Annotated[
    str | None, Header(description="The same request once more gets the first one's answer, for 24 hours.")
]
