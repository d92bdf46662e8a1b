"""Uploads by ComfyUI's rules for names: the same bytes keep theirs, others are numbered."""

from __future__ import annotations

from pathlib import PurePosixPath
from uuid import UUID

from comfywire.service.assets.assets import Assets
from comfywire.service.assets.blobs import Staged
from comfywire.service.assets.file_names import FileName
from comfywire.service.assets.records import NewAsset
from comfywire.service.database.pool import Database, execute, row
from comfywire.service.sql import queries

__all__ = ["keep_named", "named_as", "upload_names"]

SQL = queries("assets")
MOST_NUMBERS = 10_000
MOST_LISTED = 1_000
"""Names of uploads that a menu offers."""


def named_as(subfolder: str, name: str, folder: str) -> str:
    """Return the path of an upload, with a mark where it is not for the input folder: ``x.png [temp]``.

    Prompts write it so, and :func:`resolve_names` finds it by that.
    """
    path = str(PurePosixPath(subfolder, name))
    return path if folder == "input" else f"{path} [{folder}]"


async def keep_named(
    assets: Assets,
    staged: Staged,
    key_id: UUID,
    *,
    name: str,
    subfolder: str,
    folder: str,
    content_type: str,
    overwrite: bool = False,
    expires_in: int | None = None,
) -> str:
    """Make an asset of bytes that are written; return the name that it has (server.py, image_upload, 0.3.64).

    One upload of a name at a time, whatever process has it: of two with different bytes one is numbered.

    Raises:
        InvalidAsset: The name or the folder cannot be kept.

    """
    first = NewAsset(content_type=content_type, file_path=named_as(subfolder, name, folder))
    blob = await assets.shelve(staged)
    async with assets.database.transaction() as connection:
        await execute(connection, SQL["lock_name"], name=f"{key_id}/{first.file_path}")
        told, path = name, str(first.file_path)
        for number in range(1, MOST_NUMBERS):
            found = await row(connection, SQL["upload_of_name"], key_id=key_id, name=path)
            if overwrite or found is None or found["hash"] == blob.hash:
                break
            plain = PurePosixPath(name)
            told = f"{plain.stem} ({number}){plain.suffix}"
            path = named_as(subfolder, told, folder)
        # Bytes that are there become the newest of their name: they are kept for as long as if they were new.
        new = NewAsset(content_type=content_type, file_path=path, expires_in=expires_in)
        await assets.record(connection, blob.hash, key_id, new)
    return told


async def upload_names(database: Database, key_id: UUID) -> list[str]:
    """Return the names that a key's uploads for the input folder have, sorted."""
    found = await database.all(SQL["upload_names"], key_id=key_id, most=MOST_LISTED)
    return sorted(row["file_path"] for row in found if FileName.of(row["file_path"]).folder == "input")
