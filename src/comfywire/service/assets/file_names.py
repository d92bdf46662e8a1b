"""Texts where a prompt names files, read as ComfyUI reads them. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

__all__ = ["FileName", "is_link", "replaced", "texts_in"]

MARKS = {"[output]": "output", "[input]": "input", "[temp]": "temp"}
DRIVE = re.compile(r"[A-Za-z]:")
OF_A_JOB = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/(.+)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class FileName:
    """Where a ComfyUI looks for the file of a name.

    Attributes:
        folder: ``input``, ``output`` or ``temp``.
        path: Below that folder, as it was written.

    """

    folder: str
    path: str

    @classmethod
    def of(cls, text: str) -> Self:
        """Read ``name``, ``name [output]`` and the like.

        ComfyUI cuts the mark and one character before it off, whichever that is (folder_paths.py,
        annotated_filepath, 0.3.64).
        """
        for mark, folder in MARKS.items():
            if text.endswith(mark):
                return cls(folder, text[: -len(mark) - 1])
        return cls("input", text)

    @property
    def parts(self) -> list[str] | None:
        """The folders and the file, without ``.`` and ``..``; None for a path that leaves the folder.

        ComfyUI 0.3.64 follows such a path (get_annotated_filepath). A backslash separates on Windows.
        """
        if self.path.startswith(("/", "\\")) or DRIVE.match(self.path):
            return None
        kept: list[str] = []
        for part in re.split(r"[/\\]", self.path):
            if part == "..":
                if not kept:
                    return None
                kept.pop()
            elif part not in ("", "."):
                kept.append(part)
        return kept

    @property
    def uploads(self) -> list[str]:
        """How an upload may be called that this means, the likeliest first."""
        plain = self.path.replace("\\", "/")
        return list(dict.fromkeys([self.path, plain])) if self.folder == "input" else []

    @property
    def of_job(self) -> tuple[UUID, str] | None:
        """The job and the name that ``job-id/name [output]`` means; None for any other text."""
        found = OF_A_JOB.fullmatch(self.path.replace("\\", "/")) if self.folder != "input" else None
        return (UUID(found[1]), found[2]) if found else None


def is_link(value: Any) -> bool:
    """Whether the value of an input is the output of another node (graph_utils.py, is_link, 0.3.64)."""
    return (
        isinstance(value, list)
        and len(value) == 2
        and isinstance(value[0], str)
        and isinstance(value[1], int | float)
    )


def texts_in(value: Any) -> Iterator[str]:
    """Yield every text inside the value of an input, which may be wrapped; links and assets have none."""
    match value:
        case {"__type": "core/ASSET"}:
            return
        case str():
            yield value
        case Mapping():
            for inner in value.values():
                yield from texts_in(inner)
        case list() if not is_link(value):
            for inner in value:
                yield from texts_in(inner)


def replaced(value: Any, replacement: Callable[[str], Any]) -> Any:
    """Return the value of an input with every text in it replaced."""
    match value:
        case {"__type": "core/ASSET"}:
            return value
        case str():
            return replacement(value)
        case Mapping():
            return {key: replaced(inner, replacement) for key, inner in value.items()}
        case list() if not is_link(value):
            return [replaced(inner, replacement) for inner in value]
        case _:
            return value
