"""The bar that a notebook shows while a prompt runs, without anybody having asked for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, ClassVar, Protocol
from weakref import WeakSet

from comfywire.transport.news import News

from .notebook import is_notebook

__all__ = ["NotebookBar", "notebook_bar", "showing"]

PAUSE = 0.1
"""Seconds between two drawings."""
MOST = 4
"""Bars that move at the same time: who runs a hundred prompts at once looks at the results."""


OnProgress = Callable[[Any], None]


class Progressing(Protocol):
    """What is shown of :class:`~comfywire.JobProgress`."""

    @property
    def phase(self) -> str: ...
    @property
    def fraction(self) -> float: ...
    @property
    def nodes_done(self) -> int: ...
    @property
    def nodes_total(self) -> int: ...
    @property
    def title(self) -> str | None: ...
    @property
    def value(self) -> float | None: ...
    @property
    def max(self) -> float | None: ...
    @property
    def position(self) -> int | None: ...


class NotebookBar:
    """One bar, in the cell that made it; it is called with each change of the progress."""

    moving: ClassVar[WeakSet[NotebookBar]] = WeakSet()

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._drawn = 0.0
        self._words, self._fraction, self._note = "connecting", 0.0, ""
        self._handle = import_module("IPython.display").display(self, display_id=True)
        self.moving.add(self)

    def __call__(self, progress: Progressing) -> None:
        """Show how far the prompt is."""
        self._words, self._fraction = _words(progress), progress.fraction
        if progress.phase == "done":
            self.moving.discard(self)
            ended = "done" if progress.fraction == 1 else "ended"
            self._words = f"{ended} after {time.monotonic() - self._began:.1f} s"
            self._draw()
        elif time.monotonic() - self._drawn >= PAUSE:
            self._draw()

    def told(self, sentence: str, answers: bool | None) -> None:  # noqa: FBT001 - a listener's signature
        """Show beside the bar that the server does not answer, for as long as it does not."""
        self._note = "" if answers else sentence if answers is None else f"{sentence}; waiting for it"
        self._draw()

    def close(self) -> None:
        """The bar stays as it is, and makes room for another."""
        self.moving.discard(self)

    def _draw(self) -> None:
        self._drawn = time.monotonic()
        if self._handle is not None:
            self._handle.update(self)

    def _repr_html_(self) -> str:
        note = f" <em>{_escaped(self._note)}</em>" if self._note else ""
        bar = f'<progress max="1" value="{self._fraction:.3f}"></progress>'
        return f"<div>{bar} {_escaped(self._words)}{note}</div>"

    def __repr__(self) -> str:
        return f"{self._fraction:4.0%} {self._words}" + (f" ({self._note})" if self._note else "")


@contextmanager
def showing(on_progress: OnProgress | None, news: News) -> Iterator[OnProgress | None]:
    """Give the caller's own function, or a bar in a notebook, which also tells of the server's silence."""
    bar = on_progress or notebook_bar()
    if not isinstance(bar, NotebookBar):
        yield bar
        return
    with news.told_to(bar.told):
        try:
            yield bar
        finally:
            bar.close()


def notebook_bar() -> NotebookBar | None:
    """Return a new bar, or None where there is no notebook, or no room for another."""
    return NotebookBar() if is_notebook() and len(NotebookBar.moving) < MOST else None


def _words(progress: Progressing) -> str:
    if progress.phase == "pending":
        return f"waiting: {progress.position} ahead" if progress.position else "waiting"
    steps = ""
    if progress.value is not None and progress.max is not None and progress.max > 1:
        steps = f" {progress.value:g}/{progress.max:g}"
    return f"{progress.title or 'running'}{steps}, {progress.nodes_done} of {progress.nodes_total} nodes"


def _escaped(text: str) -> str:
    from html import escape  # noqa: PLC0415 - with a table of all entities, for notebooks alone

    return escape(text.encode(errors="replace").decode())
