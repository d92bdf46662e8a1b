"""What handlers need: the service, and who asks."""

from __future__ import annotations

from typing import Any

from fastapi import Request

__all__ = ["get_caller", "get_core"]


def get_core(request: Request) -> Any:
    """Return the service that this application serves."""
    return request.app.state.core


async def get_caller(request: Request) -> Any:
    """Return who asks, by the bearer token."""
    kind, _, secret = request.headers.get("authorization", "").partition(" ")
    return await get_core(request).access.caller(secret if kind.lower() == "bearer" else None)
