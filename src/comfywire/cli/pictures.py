"""``--show``: pictures as something that Rich draws, by kitty's protocol, by sixels, or by half blocks."""

from __future__ import annotations

import contextlib
import io
import logging
from importlib import import_module
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment

from comfywire.errors import MissingExtra

__all__ = ["Painter"]

PREVIEW_ROWS = 14
"""Rows of the terminal that a preview takes: it stands above the bars, and both must fit."""
RESULT_ROWS = 24

log = logging.getLogger("comfywire")


class Painter:
    """Draws pictures by the best means that the terminal has; asks it, which takes up to 0.2 s.

    Raises:
        MissingExtra: The library for it is not installed.

    """

    def __init__(self) -> None:
        self._pictures = _import("PIL.Image")
        self._last: _Drawn | None = None
        try:
            self._draw = _import("textual_image.renderable").Image
        except MissingExtra:
            raise
        except Exception:  # noqa: BLE001 - asking fails in many ways where stdin is no terminal
            # The package is half imported now; its part that asks nothing is whole.
            self._draw = _import("textual_image.renderable.halfcell").Image

    def preview(self, content: bytes) -> RenderableType | None:
        """Return a small drawing, or None for what is no picture; it takes the place of the last one."""
        drawing = self._drawing(content, PREVIEW_ROWS)
        if drawing is not None:
            if self._last is not None:
                self._last.forget()
            self._last = drawing
        return drawing

    def result(self, content: bytes) -> RenderableType | None:
        """Return a large drawing, or None for what is no picture."""
        return self._drawing(content, RESULT_ROWS)

    def _drawing(self, content: bytes, rows: int) -> _Drawn | None:
        try:
            picture = self._pictures.open(io.BytesIO(content))
            picture.load()
        except (OSError, SyntaxError, ValueError, self._pictures.DecompressionBombError):
            return None
        return _Drawn(self._draw(picture, width="auto", height=rows))


class _Drawn:
    """A drawing that is made once, although a live display asks for it ten times a second."""

    def __init__(self, drawing: Any) -> None:
        self._drawing = drawing
        self._made: tuple[int, list[Segment]] | None = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self._made is None or self._made[0] != options.max_width:
            self._made = options.max_width, self._make(console, options)
        yield from self._made[1]

    def forget(self) -> None:
        """Let the terminal forget the picture: kitty keeps each that it was sent."""
        with contextlib.suppress(Exception):
            self._drawing.cleanup()

    def _make(self, console: Console, options: ConsoleOptions) -> list[Segment]:
        try:
            return list(console.render(self._drawing, options))
        except Exception as error:  # noqa: BLE001 - terminals are odd, and a job never fails because of one
            log.debug("picture not drawn: %r", error)
            return []


def _import(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise MissingExtra("--show", "show") from error
