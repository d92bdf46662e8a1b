"""How a file is sent: its type, and whether a browser may show it (server.py, view_image)."""

from __future__ import annotations

import functools
import mimetypes
import os

__all__ = ["download_headers", "headers_of"]

# What old servers send as bytes; newer ones list more (folder_paths.py, is_dangerous_content_type, 0.33.0).
NEVER_SHOWN = frozenset(
    {"text/html", "text/html-sandboxed", "application/xhtml+xml", "text/javascript", "text/css"}
)
NEWER_NEVER_SHOWN = NEVER_SHOWN | {
    "application/javascript",
    "application/x-javascript",
    "application/ecmascript",
    "message/rfc822",
}
SVG = "image/svg+xml"
BYTES = "application/octet-stream"


def headers_of(path: str, *, is_new: bool, destination: str | None) -> dict[str, str]:
    """Return the headers of GET /view for a file as it is.

    Args:
        path: The file.
        is_new: Answer as 0.33.0 does: no guessing by the browser, and what may carry a script is downloaded.
        destination: The request's ``Sec-Fetch-Dest``; an SVG may be drawn in an ``image``.

    """
    name, kind = os.path.basename(path), _content_type(path)  # noqa: PTH119 - a name, not a file
    if not is_new:
        shown = BYTES if kind in NEVER_SHOWN else kind
        return {"Content-Disposition": f'filename="{name}"', "Content-Type": shown}
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    headers = {"Content-Disposition": f'filename="{quoted}"', "Content-Type": kind}
    headers["X-Content-Type-Options"] = "nosniff"
    if _may_run(kind):
        headers |= {"Vary": "Sec-Fetch-Dest", "Cache-Control": "no-store"}
        if kind != SVG or destination != "image":
            headers |= {"Content-Disposition": f'attachment; filename="{quoted}"', "Content-Type": BYTES}
    return headers


def download_headers(path: str, *, is_own_style: bool) -> dict[str, str]:
    """Return the headers of a user's file, which 0.33.0 never lets a browser show but for its own style."""
    kind = _content_type(path)
    shown = "text/css" if is_own_style else BYTES if _may_run(kind) else kind
    return {
        "Content-Type": shown,
        "X-Content-Type-Options": "nosniff",
        "Content-Disposition": "inline" if is_own_style else "attachment",
    }


def _may_run(kind: str) -> bool:
    bare = kind.partition(";")[0].strip().lower()
    return bare in NEWER_NEVER_SHOWN or bare.endswith(("+xml", "/xml"))


def _content_type(path: str) -> str:
    return _types().guess_type(path)[0] or BYTES


@functools.cache
def _types() -> mimetypes.MimeTypes:
    """Return the machine's types and those that ComfyUI adds, which are not for the rest of this process."""
    types = mimetypes.MimeTypes([file for file in mimetypes.knownfiles if os.path.isfile(file)])  # noqa: PTH113
    types.add_type("application/javascript; charset=utf-8", ".js")
    types.add_type("image/webp", ".webp")
    types.add_type(SVG, ".svg")
    return types
