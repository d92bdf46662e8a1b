"""What a notebook shows of outputs: pictures, films and sounds at hand, a line for all else."""

from __future__ import annotations

import asyncio
import sys
from base64 import b64encode
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any, Protocol

from comfywire.errors import ComfywireError

__all__ = ["bring", "html_of", "is_notebook", "mimebundle_of"]

MOST, MOST_BYTES = 8, 8 << 20
"""So many are fetched when a run ends, and so many bytes in all: a notebook's file holds what it shows."""
PATIENCE = 10.0
"""Seconds that fetching may take; what has not come by then has its line."""
LONGEST_TEXT, MOST_LINES = 4000, 100
SHOWN = {
    **{suffix: ("img", f"image/{suffix}") for suffix in ("png", "webp", "gif", "apng", "avif", "bmp")},
    **dict.fromkeys(("jpg", "jpeg", "jpe"), ("img", "image/jpeg")),
    "svg": ("img", "image/svg+xml"),  # inside <img> it runs no scripts
    **{suffix: ("video", f"video/{suffix}") for suffix in ("mp4", "webm")},
    "mov": ("video", "video/mp4"),
    "mkv": ("video", "video/webm"),
    "ogv": ("video", "video/ogg"),
    **{suffix: ("audio", f"audio/{suffix}") for suffix in ("flac", "wav", "aac")},
    "mp3": ("audio", "audio/mpeg"),
    "m4a": ("audio", "audio/mp4"),
    **dict.fromkeys(("ogg", "oga", "opus"), ("audio", "audio/ogg")),
}
"""What browsers show, by suffix: the element and the media type."""


class Showable(Protocol):
    """What is asked of an output; :class:`~comfywire.Output` says what each is."""

    @property
    def node_id(self) -> str: ...
    @property
    def class_type(self) -> str | None: ...
    @property
    def kind(self) -> str: ...
    @property
    def filename(self) -> str | None: ...
    @property
    def subfolder(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def value(self) -> Any: ...
    @property
    def at_hand(self) -> bytes | None: ...
    async def bring(self, at_most: int) -> int: ...


def is_notebook() -> bool:
    """Whether this process is the kernel of a notebook: Jupyter's, VS Code's or Colab's."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return getattr(shell, "kernel", None) is not None


async def bring(outputs: Iterable[Showable]) -> None:
    """Fetch the first of what can be shown, so that it is at hand; what does not come has its line."""
    left = MOST_BYTES
    try:
        async with asyncio.timeout(PATIENCE):
            for output in [output for output in outputs if _element(output) is not None][:MOST]:
                left -= await output.bring(left)
    except (ComfywireError, TimeoutError):
        return


def html_of(outputs: Iterable[Showable]) -> str:
    """Return the outputs one after the other."""
    all_of_them = list(outputs)
    parts = [_html(output) for output in all_of_them[:MOST_LINES]]
    if len(all_of_them) > MOST_LINES:
        parts.append(f"<div>and {len(all_of_them) - MOST_LINES} more</div>")
    return f'<div style="display:flex;flex-wrap:wrap;gap:8px;align-items:flex-end">{"".join(parts)}</div>'


def mimebundle_of(output: Showable) -> dict[str, Any]:
    """Return one output as notebooks take it: PNG and JPEG as themselves, all else as HTML."""
    element = _element(output)
    if output.at_hand is not None and element in (("img", "image/png"), ("img", "image/jpeg")):
        return {"text/plain": _line(output), element[1]: b64encode(output.at_hand).decode()}
    return {"text/plain": _line(output), "text/html": _html(output)}


def _element(output: Showable) -> tuple[str, str] | None:
    return SHOWN.get(PurePosixPath(output.filename or "").suffix.lstrip(".").lower())


def _html(output: Showable) -> str:
    element = _element(output)
    if element is not None and output.at_hand is not None:
        return _figure(output, *element, output.at_hand)
    if output.kind == "text" and isinstance(output.value, str):
        words = output.value[:LONGEST_TEXT] + ("…" if len(output.value) > LONGEST_TEXT else "")
        return f'<pre style="white-space:pre-wrap;flex-basis:100%">{_escaped(words)}</pre>'
    return f'<div style="flex-basis:100%">{_escaped(_line(output))}</div>'


def _figure(output: Showable, element: str, media_type: str, content: bytes) -> str:
    source = f"data:{media_type};base64,{b64encode(content).decode()}"
    name = _escaped(output.filename or "")
    if element == "img":
        shown = f'<img src="{source}" alt="{name}" title="{name}" style="max-width:256px;max-height:256px">'
    else:
        shown = f'<{element} controls src="{source}" title="{name}" style="max-width:384px"></{element}>'
    return f'<figure style="margin:0">{shown}<figcaption>{name}</figcaption></figure>'


def _line(output: Showable) -> str:
    where = f"node {output.node_id}" + (f" ({output.class_type})" if output.class_type else "")
    if output.filename is not None:
        path = f"{output.subfolder}/{output.filename}" if output.subfolder else output.filename
        return f"{where}: {output.kind} {path}" + (f" [{output.type}]" if output.type != "output" else "")
    words = str(output.value)
    return f"{where}: {words[:LONGEST_TEXT]}" + ("…" if len(words) > LONGEST_TEXT else "")


def _escaped(text: str) -> str:
    from html import escape  # noqa: PLC0415 - with a table of all entities, for notebooks alone

    return escape(text.encode(errors="replace").decode())
