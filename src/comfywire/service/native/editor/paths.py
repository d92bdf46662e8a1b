"""Which paths are passed on to the home server: those out of which nobody on the way reads another path.

What a path may do is judged by its first part. A client library that takes ``/./`` out, a proxy that decodes
``%2f`` or a server that drops ``;parameters`` would make of ``/./history`` a route that was never judged.
"""

from __future__ import annotations

from starlette.types import Scope

__all__ = ["first_of", "parts_of"]

ENCODED_SEPARATORS = (b"%2f", b"%5c")


def parts_of(scope: Scope) -> tuple[str, ...]:
    """Return the parts of a request's path; none if it can be read in two ways. One slash may end it."""
    path: str = scope["path"]
    raw: bytes = (scope.get("raw_path") or b"").lower()
    parts = tuple(path[1:].removesuffix("/").split("/"))
    is_plain = (
        path.isprintable()
        and "\\" not in path
        and not any(separator in raw for separator in ENCODED_SEPARATORS)
        and not any(_without_parameters(part) in ("", ".", "..") for part in parts)
    )
    return parts if is_plain else ()


def first_of(parts: tuple[str, ...]) -> str:
    """Return the part by which a path is judged: the first, or the one behind ``api``; empty without any."""
    behind = parts[1:] if parts[:1] == ("api",) else parts
    return _without_parameters(behind[0]).casefold() if behind else ""


def _without_parameters(part: str) -> str:
    return part.partition(";")[0].strip()
