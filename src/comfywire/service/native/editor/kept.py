"""What the editor keeps on its server, for each key, within bounds: settings, and files."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from comfywire.service.database.pool import Connection, Database, execute, row
from comfywire.service.database.storable import must_be_storable, must_be_text
from comfywire.service.native.face import BadRequest
from comfywire.service.sql import queries

__all__ = ["Exists", "File", "Kept", "path_of"]

SQL = queries("userdata")
LARGEST_SETTINGS = 1 << 20
"""Bytes of a key's settings as JSON."""
LARGEST_FILE = 16 << 20
MOST_FILES = 5_000
MOST_BYTES = 256 << 20
"""Bytes of a key's files together."""
LONGEST_PART = 255
LONGEST_PATH = 1_000
"""Bytes of a name and of a path: less than Linux has, since both are in an index."""
INVALID = 'Invalid filename. Please avoid special characters like :\\/*?"<>|'


class Exists(Exception):
    """A file of this name is there, and was not to be lost."""


@dataclass(frozen=True, slots=True)
class File:
    """A file, without what is in it."""

    path: str
    size: int
    created_at: datetime
    changed_at: datetime


def path_of(name: str) -> str | None:
    """Return where a name leads below a key's own folder, ``""`` for that itself; None if it leads out."""
    path = posixpath.normpath(posixpath.join("/user", name))
    if path == "/user":
        return ""
    return path.removeprefix("/user/") if path.startswith("/user/") else None


class Kept:
    """The settings and files of one key."""

    def __init__(self, database: Database, key_id: UUID) -> None:
        self._database = database
        self._key_id = key_id

    async def settings(self) -> dict[str, Any]:
        """Return all settings."""
        found = await self._database.one(SQL["settings"], key_id=self._key_id)
        return {} if found is None else found["settings"]

    async def set(self, changes: Mapping[str, Any]) -> None:
        """Set those that are named, and keep the others.

        Raises:
            BadRequest: They cannot be kept, or are more than a key may have.

        """
        try:
            must_be_storable(changes)
        except ValueError as error:
            raise BadRequest(f"a setting {error}: it cannot be kept") from error
        _must_fit(len(json.dumps(changes)), LARGEST_SETTINGS, "settings")
        async with self._database.transaction() as connection:
            kept = await row(
                connection, SQL["merge_settings"], key_id=self._key_id, settings=Jsonb(dict(changes))
            )
            assert kept is not None
            _must_fit(kept["size"], LARGEST_SETTINGS, "settings")

    async def files(self, folder: str) -> list[File]:
        """Return the files in a folder and below it, by path."""
        prefix = f"{folder}/" if folder else ""
        found = await self._database.all(SQL["list"], key_id=self._key_id, prefix=prefix)
        return [File(**one) for one in found]

    async def read(self, path: str) -> bytes | None:
        """Return what is in a file; None if it is not there."""
        found = await self._database.one(SQL["read"], key_id=self._key_id, path=path)
        return None if found is None else found["content"]

    async def write(self, path: str, content: bytes, *, overwrite: bool) -> File:
        """Write a file.

        Raises:
            BadRequest: No file can have this name, or the key has as much as it may.
            Exists: It is there, and was not to be lost.

        """
        _must_fit(len(content), LARGEST_FILE, "a file")
        async with self._database.transaction() as connection:
            await self._must_be_free(connection, path, overwrite=overwrite)
            others = await row(connection, SQL["others"], key_id=self._key_id, path=path)
            assert others is not None
            _must_fit(others["files"] + 1, MOST_FILES, "files", "of them")
            _must_fit(others["size"] + len(content), MOST_BYTES, "files")
            written = await row(connection, SQL["write"], key_id=self._key_id, path=path, content=content)
        assert written is not None
        return File(**written)

    async def delete(self, path: str) -> bool:
        """Remove a file; false if it is not there."""
        return bool(await self._database.do(SQL["delete"], key_id=self._key_id, path=path))

    async def move(self, path: str, to: str, *, overwrite: bool) -> File | None:
        """Rename a file; None if it is not there.

        Raises:
            BadRequest: No file can have the new name.
            Exists: There is a file of that name, and it was not to be lost.

        """
        about = {"key_id": self._key_id, "path": path}
        async with self._database.transaction() as connection:
            if await row(connection, SQL["is_there"], **about) is None:
                return None
            await self._must_be_free(connection, to, overwrite=overwrite)
            if path != to:
                await execute(connection, SQL["delete"], key_id=self._key_id, path=to)
            moved = await row(connection, SQL["move"], **about, to=to)
        return None if moved is None else File(**moved)

    async def _must_be_free(self, connection: Connection, path: str, *, overwrite: bool) -> None:
        """Hold the key's files, and see that one may be written to ``path``."""
        _must_be_name(path)
        about = {"key_id": self._key_id, "path": path}
        await execute(connection, SQL["lock"], key_id=self._key_id)
        if not overwrite and await row(connection, SQL["is_there"], **about) is not None:
            raise Exists
        parts = path.split("/")
        parents = ["/".join(parts[:length]) for length in range(1, len(parts))]
        if await row(connection, SQL["in_the_way"], **about, parents=parents) is not None:
            raise BadRequest(INVALID)


def _must_be_name(path: str) -> None:
    try:
        size = len(must_be_text(path).encode())
    except ValueError as error:
        raise BadRequest(INVALID) from error
    if not path or size > LONGEST_PATH or any(len(part.encode()) > LONGEST_PART for part in path.split("/")):
        raise BadRequest(INVALID)


def _must_fit(size: int, most: int, what: str, unit: str = "bytes") -> None:
    if size > most:
        raise BadRequest(f"the service keeps at most {most} {unit} of {what} for a key: delete some", 413)
