"""SQL beside the code: named, described queries, read once."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

__all__ = ["queries"]

_HEADER = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_INCLUDE = re.compile(r"^-- include: (\w+)\.(\w+)$", re.MULTILINE)
_COMMENT = re.compile(r"^\s*--.*\n|^ +| +-- .*$", re.MULTILINE)


@cache
def queries(file: str) -> dict[str, str]:
    """Return the queries of ``sql/FILE.sql`` by name; each begins with a line ``-- name: NAME``.

    A line ``-- include: FILE.NAME`` stands for another one's text: steps that several statements share.
    Comments are left out: psycopg reads a text of more than 4,096 characters each time (_queries.py, 3.3).
    """
    return {
        name: _COMMENT.sub("", _INCLUDE.sub(lambda found: _parts(found[1])[found[2]], text))
        for name, text in _parts(file).items()
    }


@cache
def _parts(file: str) -> dict[str, str]:
    text = files(__package__).joinpath(f"{file}.sql").read_text(encoding="utf-8")
    _, *parts = _HEADER.split(text)
    return {name: body.strip().rstrip(";") for name, body in zip(parts[::2], parts[1::2], strict=True)}
