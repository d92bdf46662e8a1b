"""What handlers need: the service, and who asks."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Header
from starlette.requests import HTTPConnection

from comfywire.service.access.keys import Caller
from comfywire.service.core import Core

from .errors import NotFound

__all__ = [
    "Asking",
    "IdempotencyKey",
    "Service",
    "core_of",
    "get_caller",
    "get_core",
    "job_id_of",
    "origin_of",
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
    """Return who asks, having counted the request.

    Raises:
        Unauthorized: Nobody whom we know.
        RateLimited: They ask too often.

    """
    core = core_of(request)
    caller = await core.access.caller(_secret(request))
    core.limits.take(caller)
    return caller


def _secret(request: HTTPConnection) -> str | None:
    kind, _, secret = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return secret.strip()
    offered = [one.strip() for one in request.headers.get("sec-websocket-protocol", "").split(",")]
    return next((one[len(SUBPROTOCOL) :] for one in offered if one.startswith(SUBPROTOCOL)), None)


def origin_of(request: HTTPConnection) -> str:
    """Return how clients reach the service, for links that must be absolute."""
    return core_of(request).settings.base_url or str(request.base_url)


def job_id_of(text: str) -> UUID:
    """Return a job's id; one that cannot be is as unknown as one that is not.

    Raises:
        NotFound: It cannot be.

    """
    try:
        return UUID(text)
    except ValueError:
        raise NotFound(f"there is no job {text[:80]!r}: GET /api/v2/jobs lists yours") from None


Service = Annotated[Core, Depends(get_core)]
Asking = Annotated[Caller, Depends(get_caller)]
IdempotencyKey = Annotated[
    str | None, Header(description="The same request once more gets the first one's answer, for 24 hours.")
]
