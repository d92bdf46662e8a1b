"""``comfywire submit NAME --each FILE.csv``: a batch, one job for each row."""

from __future__ import annotations

import csv
from collections.abc import Awaitable, Callable, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import click

from comfywire.cli.jobs.files_here import Refusal, path_of

__all__ = ["entries_of", "read_rows"]

Upload = Callable[[str], Awaitable[Any]]


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file by the names in its first line; an empty cell sets nothing.

    Raises:
        click.BadParameter: The file has no heading or no rows, or a row has more cells than the heading.

    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            rows, names = list(reader), reader.fieldnames or ()
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _refused(f"{path} cannot be read as CSV: {error}") from error
    if not rows or not all(names):
        raise _refused(f"{path} needs a first line with the names of parameters, and a row for each job")
    for number, row in enumerate(rows, start=1):
        if None in row:
            raise _refused(f"row {number} of {path} has more cells than its first line has names")
    return [{name: value for name, value in row.items() if value} for row in rows]


async def entries_of(
    rows: list[dict[str, str]],
    folder: Path,
    common: Mapping[str, str],
    files: AbstractSet[str],
    *,
    upload: Upload,
    refusal: Refusal,
) -> list[dict[str, Any]]:
    """Return the inputs of each job; the file that a cell of a file's parameter names is uploaded once.

    Args:
        rows: As :func:`read_rows` returns them.
        folder: Where the paths of the rows begin; those of ``common`` begin where the user stands.
        common: What all jobs have, as ``-p`` gave it; a row may say otherwise.
        files: The parameters that are files.
        upload: Makes an asset of the file at a path, and returns what is no path of a file as it is.
        refusal: Judges what is no path of a file.

    Raises:
        click.BadParameter: A row names a file that is not there, and ``refusal`` says why it must be.

    """
    assets: dict[str, Any] = {}
    entries: list[dict[str, Any]] = []
    for number, row in enumerate(rows, start=1):
        entry: dict[str, Any] = {**common, **row}
        for name in files & entry.keys():
            value = entry[name]
            path = path_of(value, folder if name in row else None)
            if path not in assets:
                assets[path] = await upload(path)
            if assets[path] != path:
                entry[name] = assets[path]
            elif words := refusal(name, value, path):
                raise _refused(f"row {number}, {name}: {words}")
        entries.append(entry)
    return entries


def _refused(words: str) -> click.BadParameter:
    return click.BadParameter(words, param_hint="--each")
