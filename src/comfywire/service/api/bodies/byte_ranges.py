"""Which part of a file a request wants: a single range of bytes, as clients resume downloads with. Pure."""

from __future__ import annotations

import re

from comfywire.errors import ComfywireError

__all__ = ["UnsatisfiableRange", "range_of"]

ONE_RANGE = re.compile(r"bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.ASCII | re.IGNORECASE)


class UnsatisfiableRange(ComfywireError):
    """The file ends before the first byte that the request wants.

    Attributes:
        size: How many bytes the file has.

    """

    code = "range_not_satisfiable"
    http_status = 416

    def __init__(self, size: int) -> None:
        self.size = size
        self.http_headers = {"Content-Range": f"bytes */{size}"}
        super().__init__(f"the file has {size} bytes, none of them in that range: ask for less")


def range_of(header: str | None, size: int) -> tuple[int, int] | None:
    """Return the half-open range that ``header`` asks for in a file of ``size`` bytes; None for all of it.

    Several ranges, other units and headers that cannot be read mean the whole file, as RFC 9110, 14.2 allows.

    Raises:
        UnsatisfiableRange: The range begins behind the end.

    """
    match = ONE_RANGE.fullmatch(header or "")
    if match is None or match[1] + match[2] == "":
        return None
    if match[1] == "":
        start, end = max(size - int(match[2]), 0), size
    else:
        start, end = int(match[1]), min(int(match[2]) + 1 if match[2] else size, size)
        if match[2] and int(match[2]) < start:
            return None
    if start >= end:
        raise UnsatisfiableRange(size)
    return start, end
