"""Stand-in until the API's own is merged: who asks, and the service that is asked."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from comfywire.service.access import Caller
from comfywire.service.core import Core

__all__ = ["get_caller", "get_core"]


def get_core(request: Request) -> Core:
    """Return the service."""
    core: Core = request.app.state.core
    return core


async def get_caller(request: Request, core: Annotated[Core, Depends(get_core)]) -> Caller:
    """Return who asks, having counted the request.

    Raises:
        Unauthorized: Nobody whom we know.
        RateLimited: They ask too often.

    """
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    caller = await core.access.caller(secret.strip() if scheme.lower() == "bearer" else None)
    core.limits.take(caller)
    return caller
