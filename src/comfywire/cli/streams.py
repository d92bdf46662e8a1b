"""Output that ends nothing: neither because a console lacks a character, nor because nobody reads on."""

from __future__ import annotations

import codecs
import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO

__all__ = ["SteadyStream", "steady_streams"]


class SteadyStream:
    """A text stream that throws away what its reader does not want any more.

    ``run | head -1`` has its line, which is no reason to cancel a prompt, or not to save what it made.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write ``text``, if there is still somebody to read it."""
        with self._without_reader():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Hand on what was written."""
        with self._without_reader():
            self._stream.flush()

    @contextlib.contextmanager
    def _without_reader(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if not _has_no_reader(error):
                raise
            # What is still in the buffers goes there as well, now and when the process ends.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)


def _has_no_reader(error: OSError, system: str = os.name) -> bool:
    """Windows says of a pipe that was closed that the argument is invalid."""
    return isinstance(error, BrokenPipeError) or (system == "nt" and error.errno == errno.EINVAL)


@contextlib.contextmanager
def steady_streams() -> Iterator[None]:
    """Let standard output and standard error be steady inside the context.

    A character that the console's encoding lacks (a Chinese title on cp1252, half a surrogate pair anywhere)
    is written by its number, as Python writes it in a text.
    """
    before = sys.stdout, sys.stderr
    for stream in before:
        if reconfigure := getattr(stream, "reconfigure", None):
            # ASCII is what Python falls back to where nothing is set: click writes UTF-8 then, and so do we.
            is_ascii = codecs.lookup(stream.encoding or "ascii").name == "ascii"
            reconfigure(errors="backslashreplace", encoding="utf-8" if is_ascii else None)
    sys.stdout, sys.stderr = map(SteadyStream, before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
