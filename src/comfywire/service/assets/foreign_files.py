"""Files on a ComfyUI's disk that a prompt may not read: nobody knows which key they are of. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from comfywire.errors import ComfywireError
from comfywire.service.assets.file_names import FileName, is_link, texts_in
from comfywire.service.assets.input_names import FOLDER
from comfywire.service.fleet.input_kinds import InputKind, InputKinds

__all__ = ["ForeignFile", "must_be_own"]

A_FILE = re.compile(r"\S.*\.\w{1,10}\s*")
"""What a name of a file looks like in an input that may be free text."""


LOOKS_ODD = re.compile(rf"\]$|{FOLDER}|\.\.|^[/\\]|^[A-Za-z]:", re.IGNORECASE)
"""What a text has that can be suspect at all: most have nothing of it, and are not taken apart."""


class ForeignFile(ComfywireError):
    """The prompt names a file on the ComfyUI that is not known to be the caller's.

    Attributes:
        node_id: The node that would read it.
        input: By which input.

    """

    code = "foreign_file"
    http_status = 422

    def __init__(self, node_id: str, name: str, why: str) -> None:
        self.node_id = node_id
        self.input = name
        self.details = {"node_id": node_id, "input": name}
        super().__init__(
            f"node {node_id}: {name!r} {why}: upload the file, or name an output of your own as "
            "'JOB-ID/NAME [output]'"
        )


def must_be_own(prompt: Mapping[str, Any], kinds: InputKinds) -> None:
    """Check that no input of ``prompt``, in which assets stand for the caller's files, can read another's.

    Raises:
        ForeignFile: One names a file in a folder that all keys share, or gets the name from another node.

    """
    for node_id, node in prompt.items():
        for name, value in node.get("inputs", {}).items():
            for why in _objections(node["class_type"], name, value, kinds):
                raise ForeignFile(node_id, name, why)


def _objections(class_type: str, name: str, value: Any, kinds: InputKinds) -> Iterator[str]:
    if is_link(value):
        # What a node makes of texts is only known when it has run.
        if kinds.kind(class_type, name) is InputKind.FILE:
            yield "is the name of a file that another node makes, which cannot be checked"
        return
    for text in texts_in(value):
        if (file := _suspect(text)) is not None and _is_read(class_type, name, text, file, kinds):
            yield f"is {text[:80]!r}, a file that is not known to be yours"


def _suspect(text: str) -> FileName | None:
    """Return the file that a text means where files go, unless it is the input folder's own."""
    if not LOOKS_ODD.search(text):
        return None
    file = FileName.of(text)
    is_input = file.folder == "input" and file.parts is not None and FOLDER not in map(_folded, file.parts)
    return None if is_input else file


def _is_read(class_type: str, name: str, text: str, file: FileName, kinds: InputKinds) -> bool:
    is_elsewhere = file.folder != "input" or (file.parts is not None and _is_ours(file.parts))
    match kinds.kind(class_type, name):
        case InputKind.FILE:
            return is_elsewhere or file.parts is None
        case InputKind.CHOICE:
            # Models may be listed by any path; what is not listed is refused, or read as a file is.
            return is_elsewhere or (file.parts is None and not kinds.is_offered(class_type, name, text))
        case InputKind.TEXT:
            return _is_one_line_about(text, file)


def _is_one_line_about(text: str, file: FileName) -> bool:
    """Whether a text that may be a sentence is the name of a file: nodes of packs take names as texts."""
    if "\n" in text:
        return False
    if file.folder != "input":
        return A_FILE.fullmatch(file.path) is not None
    parts = [_folded(part) for part in re.split(r"[/\\]", file.path)]
    return FOLDER in parts and len(parts) > 1 and not re.search(r"\s", text)


def _is_ours(parts: Sequence[str]) -> bool:
    return bool(parts) and _folded(parts[0]) == FOLDER


def _folded(part: str) -> str:
    """Return a part of a path as Windows compares it: case does not count, nor do dots at its end."""
    return part.casefold().rstrip(" .")
