"""``/``: the page for browsers; for programs, what the service is and where its routes are."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from comfywire.service.api.context import core_of
from comfywire.service.page.routes import document

__all__ = ["router"]

WHAT = (
    "Comfywire's job service: a durable queue in front of any number of ComfyUIs. It speaks the Comfy API v2."
)
PLACES: Mapping[str, str] = {
    "openapi": "/api/v2/openapi.json",
    "jobs": "/api/v2/jobs",
    "workflows": "/api/v2/workflows",
    "openai": "/v1/models",
    "servers": "/api/v2/servers",
    "health": "/healthz",
    "readiness": "/readyz",
    "metrics": "/metrics",
}
KEYS = "Where it asks for a key, send it as Authorization: Bearer cw_...; `comfywire keys create` makes one."
HEADERS = {
    "Vary": "Accept",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
}
router = APIRouter()


@router.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
async def front(request: Request) -> Response:
    """Give browsers the page, and tell other clients what the service is; neither needs a key."""
    if "text/html" in request.headers.get("accept", ""):
        return document(request, has_editor=core_of(request).settings.editor)
    return JSONResponse(
        {"service": "comfywire", "version": version("comfywire"), "what": WHAT, "keys": KEYS, **PLACES},
        headers=HEADERS,
    )
