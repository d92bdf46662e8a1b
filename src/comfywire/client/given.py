"""Files that a caller gives for inputs: each is on the server under a name, or an error says which is not."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any, Protocol

from comfywire.errors import InvalidParameter
from comfywire.workflow import Bound, FileInput, Workflow
from comfywire.workflow.nearest import did_you_mean

from .catalogue import Catalogue
from .files.sources import is_source, local_path
from .threads import in_thread
from .uploads import Upload, Uploads

__all__ = ["GivenFiles", "ServerLike"]

LOOKS_LIKE_A_PATH = re.compile(r"[/\\]|\.[A-Za-z0-9]{1,10}( \[\w+\])?\Z")


class ServerLike(Protocol):
    """What is asked of the server that files, or a workflow to check, are for."""

    @property
    def catalogue(self) -> Catalogue:
        """Its node types."""

    @property
    def uploads(self) -> Uploads:
        """Files on their way to it."""


class GivenFiles:
    """The files of one workflow, put in their places.

    Args:
        server: Where they go.
        original: The workflow before anything was set in it.
        bound: The workflow that they are for.
        known: Names that the caller has from the server itself, by an upload or an earlier result.

    """

    def __init__(
        self, server: ServerLike, original: Workflow, bound: Bound, *, known: Collection[str] = ()
    ) -> None:
        self._server = server
        self._original = original
        self._bound = bound
        self._known = known
        self._sent: list[FileInput] = []
        self.names: dict[str, str] = {}
        """What the server calls those that were uploaded, by the names under which the caller gave them."""
        self.warnings: list[str] = []

    async def settle(self, files: Collection[FileInput]) -> None:
        """Upload what is here, and make sure of what should be there.

        Raises:
            InvalidParameter: One is neither, or cannot be uploaded.

        """
        for file in files:
            if not isinstance(file.source, str):
                await self._send(await in_thread(_lasting, file))
            elif file.source not in self._known and not await self._stands(file):
                await self._settle_name(file)

    async def renew(self) -> None:
        """Make sure once more of what was uploaded: the server may have lost its files since."""
        sent, self._sent = self._sent, []
        for file in sent:
            await self._send(file)

    async def _settle_name(self, file: FileInput) -> None:
        """A text is a file here, or the name of one that the server has."""
        name = file.source
        if await in_thread(_is_here, name):
            await self._send(file)
        elif LOOKS_LIKE_A_PATH.search(name):
            if not await self._server.uploads.has(Upload.named(name)):
                await self._must_be_listed(file)
            if name not in self._server.uploads.names:
                self.warnings.append(
                    f"input {file.parameter!r}: {name!r} is no file here: the server's own file was used"
                )

    async def _must_be_listed(self, file: FileInput) -> None:
        """Refuse a name that the server does not list, either; it is asked for its list again."""
        classes = {self._original[node].class_type for node, _ in file.inputs}
        now = self._original.described_by(await self._server.catalogue.of(classes, anew=True))
        specs = [now[node].spec(name) for node, name in file.inputs]
        listed = [str(choice) for spec in specs if spec is not None for choice in spec.choices or ()]
        if file.source in listed:
            return
        if await in_thread(_is_folder, file.source):
            raise InvalidParameter(
                f"input {file.parameter!r}: {file.source!r} is a folder, not a file: name a file in it"
            )
        near = await in_thread(_siblings, local_path(file.source))
        hint = did_you_mean(file.source, near) or did_you_mean(local_path(file.source).name, [*near, *listed])
        raise InvalidParameter(
            f"input {file.parameter!r}: {file.source!r} is no file here, and the server has none of that name"
            f"{hint or '; check the path'}"
        )

    async def _stands(self, file: FileInput) -> bool:
        """Whether it is a default that says what the workflow says anyhow, and no file here."""
        if file.is_given or await in_thread(_is_here, file.source):
            return False
        return all(self._original[node].inputs.get(name) == file.source for node, name in file.inputs)

    async def _send(self, file: FileInput) -> None:
        source = file.source
        try:
            if isinstance(source, os.PathLike):
                await in_thread(_must_be_here, source)
            upload = await self._server.uploads.upload_once(source)
        except (OSError, TypeError, ValueError) as error:
            words = getattr(error, "strerror", None) or str(error)
            where = f"{str(source)!r}: " if isinstance(source, str | os.PathLike) else ""
            raise InvalidParameter(f"input {file.parameter!r}: {where}{words}") from error
        self._sent.append(file)
        self.names[file.parameter] = str(upload)
        self._bound.place(file, str(upload))


def _lasting(file: FileInput) -> FileInput:
    """What can be read once only is read now: it may have to be sent again."""
    source = file.source
    if not is_source(source):
        raise InvalidParameter(
            f"input {file.parameter!r} takes a file: give a path, bytes, an open file, a Pillow picture or a "
            f"NumPy array, not {_shown(source)}"
        )
    if hasattr(source, "read") and not (hasattr(source, "seekable") and source.seekable()):
        return FileInput(file.parameter, file.kind, source.read(), file.inputs, file.is_given)
    return file


def _is_here(name: str | os.PathLike[str]) -> bool:
    """Whether a path leads to something that can be read, a pipe included."""
    try:
        path = local_path(name)
        return str(name) != "" and path.exists() and not path.is_dir()
    except (OSError, ValueError):  # too long for a name, or with a NUL in it
        return False


def _is_folder(name: str | os.PathLike[str]) -> bool:
    try:
        return str(name) != "" and local_path(name).is_dir()
    except (OSError, ValueError):
        return False


def _must_be_here(path: os.PathLike[str]) -> None:
    found = local_path(path)
    if _is_folder(path):
        raise ValueError("this is a folder, not a file")
    if not _is_here(path):
        hint = did_you_mean(found.name, _siblings(found))
        raise ValueError(f"there is no such file here{hint or '; check the path'}")


def _siblings(path: Path) -> list[str]:
    """Return the files that lie in the same folder; no folders, which nobody can mean by a file's name."""
    try:
        with os.scandir(path.parent) as entries:
            return sorted(entry.name for entry in entries if not entry.is_dir())
    except (OSError, ValueError):
        return []


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"a {type(value).__name__}"
