"""An asset as a value, the description of a new asset, and the errors that concern assets."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from comfywire.errors import ComfywireError

__all__ = [
    "CONTENT_TYPE",
    "EXPIRES_IN",
    "AssetInUse",
    "AssetNotFound",
    "AssetRecord",
    "BlobNotFound",
    "HashMismatch",
    "InvalidAsset",
    "NewAsset",
    "UrlExpired",
    "hex_of",
    "path_of",
]

EXPIRES_IN = range(60, 604_800 + 1)
"""Seconds for which an upload may ask to be kept: a minute to a week."""
CONTENT_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+(\s*;\s*[\w.+-]+=[\w.+\"-]+)*", re.ASCII)
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
"""Characters that PostgreSQL, a header or a file system refuses."""
MOST_PATH = 1024
HASH = re.compile(r"(?:blake3:)?([0-9a-f]{64})")


class AssetNotFound(ComfywireError):
    """There is no such asset, or it is another key's."""

    code = "not_found"
    http_status = 404

    def __init__(self, asset_id: UUID | str) -> None:
        self.asset_id = asset_id
        super().__init__(f"there is no asset {asset_id}: upload the file, or look at the id once more")


class BlobNotFound(ComfywireError):
    """The key owns no asset of these bytes; whether another key does is not said."""

    code = "blob_not_found"
    http_status = 404

    def __init__(self) -> None:
        super().__init__("you have no asset with these bytes: upload them")


class HashMismatch(ComfywireError):
    """The bytes that came are not those that were announced."""

    code = "hash_mismatch"
    http_status = 409

    def __init__(self, expected: str, found: str) -> None:
        self.expected = expected
        self.found = found
        super().__init__(f"the bytes have the hash blake3:{found}, not {expected}: send them again")


class AssetInUse(ComfywireError):
    """The asset may not be deleted yet; which job holds it is not said."""

    code = "asset_in_use"
    http_status = 409

    def __init__(self, asset_id: UUID) -> None:
        self.asset_id = asset_id
        super().__init__(f"asset {asset_id} is in use: it can be deleted when no job needs it any more")


class InvalidAsset(ComfywireError):
    """The description of a new asset has a value that is not allowed."""

    code = "invalid_request"
    http_status = 422


class UrlExpired(ComfywireError):
    """A signed URL is too old, or was not made here."""

    code = "forbidden"
    http_status = 403

    def __init__(self) -> None:
        super().__init__("this URL is not good any more: get the asset once more for a new one")


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetRecord:
    """An asset.

    Attributes:
        id: The id by which callers name the asset.
        key_id: The key that owns the asset.
        hash: BLAKE3 of the bytes, hex, without a prefix.
        size_bytes: The number of bytes.
        content_type: The media type that the uploader gave, or that the name of an output means.
        file_path: The name that the asset was uploaded under, or that the ComfyUI gave the file.
        tags: Words that the uploader put on the asset.
        job_id: The job that made the asset; None for uploads.
        created_at: When the asset was made.
        expires_at: When the sweep may remove the asset: an output together with its job; None for never.

    """

    id: UUID
    key_id: UUID
    hash: str
    size_bytes: int
    content_type: str
    file_path: str | None
    tags: list[str]
    job_id: UUID | None
    created_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAsset:
    """The description of a new asset, by its uploader.

    Attributes:
        content_type: The media type of the bytes.
        file_path: The name of the asset.
        tags: Words to find the asset by.
        expires_in: Seconds for which the asset is kept; None leaves that to the operator.
        expected_hash: The hash that the bytes must have.
        is_named: Whether prompts may name the asset by ``file_path``: False for a file that a caller only
            linked to, or sent along with one job.

    Raises:
        InvalidAsset: A value is not allowed.

    """

    content_type: str = "application/octet-stream"
    file_path: str | None = None
    tags: Sequence[str] = ()
    expires_in: int | None = None
    expected_hash: str | None = None
    is_named: bool = True

    def __post_init__(self) -> None:
        if not CONTENT_TYPE.fullmatch(self.content_type):
            raise InvalidAsset(f"content_type {self.content_type[:80]!r} is none: write it like image/png")
        if self.file_path is not None and not _is_path(self.file_path):
            raise InvalidAsset("file_path must be a relative path of up to 1,024 printable characters")
        if len(self.tags) > 64 or any(len(tag) > 256 or UNPRINTABLE.search(tag) for tag in self.tags):
            raise InvalidAsset("tags must be up to 64 texts of up to 256 printable characters")
        if self.expires_in is not None and self.expires_in not in EXPIRES_IN:
            raise InvalidAsset(f"expires_in must be from {EXPIRES_IN[0]} to {EXPIRES_IN[-1]} seconds")
        if self.expected_hash is not None and hex_of(self.expected_hash) is None:
            raise InvalidAsset("expected_hash must be 'blake3:' and 64 lowercase hexadecimal digits")

    def must_be_of(self, digest: str) -> None:
        """Check that bytes with the hash ``digest`` are the bytes that the uploader announced.

        Raises:
            HashMismatch: The uploader announced other bytes.

        """
        if self.expected_hash is not None and hex_of(self.expected_hash) != digest:
            raise HashMismatch(self.expected_hash, digest)


def hex_of(written: str) -> str | None:
    """Return the hexadecimal digits of ``blake3:<hex>``, or of the digits alone; None for anything else."""
    match = HASH.fullmatch(written)
    return match[1] if match else None


def path_of(name: str) -> str:
    """Return the name of an output as the service keeps it, cleaned and cut: no job fails for a name."""
    return UNPRINTABLE.sub("_", name)[:MOST_PATH]


def _is_path(path: str) -> bool:
    is_plain = 0 < len(path) <= MOST_PATH and not UNPRINTABLE.search(path)
    return is_plain and not path.startswith(("/", "\\")) and ".." not in re.split(r"[/\\]", path)
