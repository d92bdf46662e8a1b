"""``/``: what the service is and where its routes are, for people who try its address by browser or curl."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from importlib.metadata import version

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, JSONResponse, Response

__all__ = ["router"]

WHAT = (
    "Comfywire's job service: a durable queue in front of any number of ComfyUIs. It speaks the Comfy API v2."
)
PLACES: Mapping[str, tuple[str, str]] = {
    "openapi": ("/api/v2/openapi.json", "every route, as an OpenAPI document"),
    "jobs": ("/api/v2/jobs", "POST a workflow, GET your jobs"),
    "workflows": ("/api/v2/workflows", "registered workflows"),
    "openai": ("/v1/models", "the same workflows as models of OpenAI's API"),
    "servers": ("/api/v2/servers", "the ComfyUIs"),
    "health": ("/healthz", "whether it is alive"),
    "readiness": ("/readyz", "whether it can serve"),
    "metrics": ("/metrics", "figures for Prometheus"),
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
    """Say what the service is: to browsers as a page, to other clients as JSON; neither needs a key."""
    if "text/html" in request.headers.get("accept", ""):
        return HTMLResponse(_page(), headers=HEADERS)
    places = {name: path for name, (path, _) in PLACES.items()}
    return JSONResponse(
        {"service": "comfywire", "version": version("comfywire"), "what": WHAT, "keys": KEYS, **places},
        headers=HEADERS,
    )


def _page() -> str:
    """Return the page; its links are relative, so that they hold behind a proxy's path prefix as well."""
    places = "\n".join(
        f'<li><a href="{path.removeprefix("/")}">{path}</a>: {escape(words)}</li>'
        for path, words in PLACES.values()
    )
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Comfywire</title>
<h1>Comfywire {escape(version("comfywire"))}</h1>
<p>{escape(WHAT)}</p>
<ul>
{places}
</ul>
<p>{escape(KEYS)}</p>
</html>
"""
