"""The page over HTTP: its document at ``/``, its files below ``/page/``, what a browser may do with them."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter, Request
from starlette.responses import Response

from .files import StaticFile, digest_of_all, index, static_files

__all__ = ["document", "router"]

# A browser runs our own files and nothing else: no script in the HTML, none from elsewhere, none that a text
# of a workflow or an output could smuggle in. Trusted Types let not even our own files turn a text into HTML.
RULES = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' blob: data:",
    "media-src 'self' blob:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
)
SAFE: Mapping[str, str] = {
    "Content-Security-Policy": "; ".join(RULES),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), geolocation=(), microphone=()",
}
FOR_EVER = "public, max-age=31536000, immutable"
router = APIRouter()


def document(request: Request, *, has_editor: bool = False) -> Response:
    """Return the page's document; browsers ask for it each time, and find the newest files."""
    return _answer(
        request,
        index(has_editor=has_editor),
        {**SAFE, "Cache-Control": "no-cache", "Vary": "Accept, Accept-Encoding"},
    )


@router.api_route("/page/{digest}/{name}", methods=["GET", "HEAD"], include_in_schema=False)
async def static_file(request: Request, digest: str, name: str) -> Response:
    """Return one file of the page; those of another version, which an open page may ask for, are gone."""
    file = static_files().get(name)
    if file is None or digest != digest_of_all():
        return Response("This file is of another version: reload the page.", 404, SAFE, "text/plain")
    return _answer(request, file, {**SAFE, "Cache-Control": FOR_EVER, "Vary": "Accept-Encoding"})


def _answer(request: Request, file: StaticFile, headers: dict[str, str]) -> Response:
    takes_gzip = "gzip" in request.headers.get("accept-encoding", "")
    if takes_gzip:
        headers["Content-Encoding"] = "gzip"
    content = file.packed if takes_gzip else file.content
    return Response(content, headers=headers, media_type=file.content_type)
