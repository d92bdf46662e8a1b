"""The page's files, read once: their bytes, their types, and one digest of them all.

There is no build step. Browsers get the files as they stand in the package, under an address with the digest
in it, which they may keep for ever: another version of Comfywire has another address.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

__all__ = ["StaticFile", "digest_of_all", "index", "static_files"]

TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
INDEX = "index.html"
DIGEST_MARK = "DIGEST"
"""Stands in ``index.html`` where the digest goes."""
EDITOR_MARK = "EDITOR"
"""Stands there where the address of ComfyUI's own editor goes, if the service has that."""


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file of the page.

    Attributes:
        content: Its bytes.
        packed: The same, as gzip.
        content_type: Its media type.

    """

    content: bytes
    packed: bytes
    content_type: str

    @classmethod
    def of(cls, name: str, content: bytes) -> StaticFile:
        """Return the file of this name with these bytes."""
        kind = TYPES[name.rpartition(".")[2]]
        return cls(content, gzip.compress(content, 9, mtime=0), kind)


@cache
def static_files() -> Mapping[str, StaticFile]:
    """Return every file of the page by its name; no other name can be asked for."""
    folder = files(__package__).joinpath("static")
    found = {entry.name: entry.read_bytes() for entry in folder.iterdir() if entry.is_file()}
    return {name: StaticFile.of(name, content) for name, content in sorted(found.items())}


@cache
def digest_of_all() -> str:
    """Return what changes whenever a file of the page does."""
    digest = hashlib.sha256()
    for name, file in static_files().items():
        digest.update(name.encode() + b"\0" + file.content + b"\0")
    return digest.hexdigest()[:16]


@cache
def index(*, has_editor: bool = False) -> StaticFile:
    """Return the document itself, whose links lead to the files of this version, and to the editor."""
    text = static_files()[INDEX].content.decode().replace(DIGEST_MARK, digest_of_all())
    return StaticFile.of(INDEX, text.replace(EDITOR_MARK, 'data-editor="editor/"' * has_editor).encode())
