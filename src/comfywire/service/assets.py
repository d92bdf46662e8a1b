"""Assets: whose bytes are whose, under what name, and for how long. The bytes themselves are in ``blobs.py``."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from comfywire.errors import ComfywireError

from .blobs import Blobs, Staged
from .database import Connection, Database, execute, row, rows
from .jobs import TERMINAL
from .settings import Settings
from .signing import Signer
from .sql import queries
from .sweep import Sweep

__all__ = [
    "EXPIRES_IN",
    "AssetInUse",
    "AssetNotFound",
    "AssetRecord",
    "Assets",
    "BlobNotFound",
    "HashMismatch",
    "InvalidAsset",
    "NewAsset",
    "UrlExpired",
]

SQL = queries("assets")
EXPIRES_IN = range(60, 604_800 + 1)
"""Seconds for which an upload may ask to be kept: a minute to a week."""
CONTENT_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+(\s*;\s*[\w.+-]+=[\w.+\"-]+)*", re.ASCII)
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
"""What PostgreSQL, a header or a file system would choke on."""
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
    """Something that was said about an asset is not allowed."""

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
        id: Its own.
        key_id: Whose it is.
        hash: BLAKE3 of its bytes, hex, without a prefix.
        size_bytes: How many bytes it has.
        content_type: As its maker calls it.
        file_path: The name that it was uploaded under, or that the ComfyUI gave it.
        tags: What its uploader wrote on it.
        job_id: The job that made it; None for uploads.
        created_at: When it came.
        expires_at: When it may be removed: for outputs with their job; None for never.

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
    """What is said about an asset that is to be.

    Raises:
        InvalidAsset: When it is made, for what may not be said.

    """

    content_type: str = "application/octet-stream"
    file_path: str | None = None
    tags: Sequence[str] = ()
    expires_in: int | None = None
    expected_hash: str | None = None
    job_id: UUID | None = None

    def __post_init__(self) -> None:
        if not CONTENT_TYPE.fullmatch(self.content_type):
            raise InvalidAsset(f"content_type {self.content_type[:80]!r} is none: write it like image/png")
        # A ComfyUI's file names are what they are: no job fails for one.
        if self.file_path is not None and self.job_id is None and not _is_path(self.file_path):
            raise InvalidAsset("file_path must be a relative path of up to 1,024 printable characters")
        if len(self.tags) > 64 or any(len(tag) > 256 or UNPRINTABLE.search(tag) for tag in self.tags):
            raise InvalidAsset("tags must be up to 64 texts of up to 256 printable characters")
        if self.expires_in is not None and self.expires_in not in EXPIRES_IN:
            raise InvalidAsset(f"expires_in must be from {EXPIRES_IN[0]} to {EXPIRES_IN[-1]} seconds")
        if self.expected_hash is not None and _hex(self.expected_hash) is None:
            raise InvalidAsset("expected_hash must be 'blake3:' and 64 lowercase hexadecimal digits")


class Assets:
    """The assets of one database and one store of bytes.

    Args:
        database: Where they are recorded.
        blobs: Where their bytes are.
        signer: What makes URLs that are good without a key.
        settings: Retention, limits and the lifetime of URLs.

    """

    def __init__(self, database: Database, blobs: Blobs, signer: Signer, settings: Settings) -> None:
        self.database = database
        self.blobs = blobs
        self._signer = signer
        self._settings = settings

    async def create(
        self, key_id: UUID, chunks: AsyncIterable[bytes], *, most: int | None = None, **about: Any
    ) -> tuple[AssetRecord, bool]:
        """Keep what ``chunks`` yields as an asset; return it, and whether its bytes are new to this key.

        When this returns, bytes and record survive whatever dies. Cancelling it records nothing.

        Args:
            key_id: Whose it is.
            chunks: The bytes.
            most: How many at most; by default what the settings say.
            about: As for :class:`NewAsset`: ``content_type``, ``file_path``, ``tags``, ``expires_in``,
                ``expected_hash``, ``job_id``.

        Raises:
            TooLarge: There are more bytes than that.
            HashMismatch: They are not those of ``expected_hash``.
            InvalidAsset: Something in ``about`` is not allowed.

        """
        new = NewAsset(**about)
        async with self.staged(chunks, most=most) as staged:
            return await self.keep(staged, key_id, new)

    def staged(self, chunks: AsyncIterable[bytes], *, most: int | None = None) -> Any:
        """Write bytes that :meth:`keep` may make an asset of, as :meth:`Blobs.staged` does."""
        return self.blobs.staged(chunks, most=self._settings.max_upload_bytes if most is None else most)

    async def keep(self, staged: Staged, key_id: UUID, new: NewAsset) -> tuple[AssetRecord, bool]:
        """Make an asset of bytes that are written: what :meth:`create` does when they have come."""
        blob = staged.blob
        if new.expected_hash is not None and _hex(new.expected_hash) != blob.hash:
            raise HashMismatch(new.expected_hash, blob.hash)
        # From here the sweep leaves the blob alone for an hour, whether it was there or not.
        await self.database.do(SQL["touch"], hash=blob.hash, size_bytes=blob.size_bytes)
        await staged.keep()
        async with self.database.transaction() as connection:
            await execute(connection, SQL["lock_blob_of_key"], hash=blob.hash, key_id=None)
            had = await row(connection, SQL["has_hash"], key_id=key_id, hash=blob.hash)
            return await self._insert(connection, key_id, blob.hash, new), had is None

    async def from_hash(
        self,
        key_id: UUID,
        hash: str,  # noqa: A002
        *,
        file_path: str | None = None,
        tags: Sequence[str] = (),
        expires_in: int | None = None,
    ) -> tuple[AssetRecord, bool]:
        """Make an asset of bytes that the key has; return it, and whether there was none like it.

        One of the same bytes, path and tags is returned as it is, and kept for longer if that was asked for.

        Raises:
            BlobNotFound: The key owns no asset of these bytes.
            InvalidAsset: Something that is said about it is not allowed.

        """
        hex_hash = _hex(hash)
        new = NewAsset(file_path=file_path, tags=tags, expires_in=expires_in)
        if hex_hash is None:
            raise BlobNotFound
        async with self.database.transaction() as connection:
            # The lock first: then the sweep has either taken the blob, or sees that it is wanted.
            if await row(connection, SQL["lock_blob_of_key"], hash=hex_hash, key_id=key_id) is None:
                raise BlobNotFound
            return await self._equal_or_new(connection, key_id, hex_hash, new)

    async def has_hash(self, key_id: UUID, hash: str) -> bool:  # noqa: A002
        """Whether the key owns an asset of these bytes."""
        hex_hash = _hex(hash)
        return hex_hash is not None and None is not await self.database.one(
            SQL["has_hash"], key_id=key_id, hash=hex_hash
        )

    async def get(self, asset_id: UUID, key_id: UUID | None = None) -> AssetRecord | None:
        """Return an asset; None if there is none, or ``key_id`` is given and it is another key's."""
        found = await self.database.one(SQL["get"], asset_id=asset_id, key_id=key_id)
        return None if found is None else AssetRecord(**found)

    async def delete(self, asset_id: UUID, key_id: UUID | None = None) -> None:
        """Delete an asset; its bytes go with the next sweep, unless another asset has them, too.

        Raises:
            AssetNotFound: There is none, or ``key_id`` is given and it is another key's.
            AssetInUse: A job that has not ended reads it, or a job has made it.

        """
        async with self.database.transaction() as connection:
            found = await row(connection, SQL["lock"], assets=[asset_id], key_id=key_id)
            if found is None:
                raise AssetNotFound(asset_id)
            readers = await rows(connection, SQL["readers"], assets=[asset_id])
            if found["is_output"] or any(reader["state"] not in TERMINAL for reader in readers):
                raise AssetInUse(asset_id)
            await execute(connection, SQL["delete"], assets=[asset_id], before=None)

    def read(self, asset: AssetRecord, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Yield an asset's bytes from ``start`` up to and without ``end``; close the iterator when leaving early.

        Raises:
            BlobGone: The store does not have them.

        """
        return self.blobs.read(asset.hash, start, asset.size_bytes if end is None else end)

    def url(self, asset: AssetRecord, base_url: str) -> tuple[str, datetime]:
        """Return a URL under ``base_url`` that gives the bytes to whoever has it, and until when."""
        expires = int(time.time() + self._settings.url_lifetime)
        signature = self._signer.sign(str(asset.id), expires)
        address = f"{base_url.rstrip('/')}/api/v2/signed/{asset.id}"
        return f"{address}?expires={expires}&signature={signature}", datetime.fromtimestamp(expires, UTC)

    async def get_signed(self, asset_id: UUID, expires: int, signature: str) -> AssetRecord:
        """Return the asset that a signed URL means.

        Raises:
            UrlExpired: The signature is not good, or not any more.
            AssetNotFound: The asset is gone.

        """
        if not self._signer.is_good(str(asset_id), expires, signature, now=time.time()):
            raise UrlExpired
        if (asset := await self.get(asset_id)) is None:
            raise AssetNotFound(asset_id)
        return asset

    async def sweep(self) -> int:
        """Remove what has had its time, and what does not fit any more; return how many blobs went.

        Ended jobs past their retention go with their outputs; then uploads past theirs; then, while there are
        more bytes than the settings allow, the oldest. What a job that has not ended made or reads stays, and so
        do bytes that somebody gave or asked for in the last hour. One process sweeps at a time: 0 for others.
        """
        return await Sweep(self.database, self.blobs).run(self._settings.max_asset_bytes)

    async def _equal_or_new(
        self,
        connection: Connection,
        key_id: UUID,
        hash: str,
        new: NewAsset,
    ) -> tuple[AssetRecord, bool]:
        lifetime = self._lifetime(new)
        equal = await row(
            connection,
            SQL["extend_equal"],
            key_id=key_id,
            hash=hash,
            file_path=new.file_path,
            tags=list(new.tags),
            lifetime=lifetime,
        )
        if equal is not None:
            return await self._one(connection, equal["id"]), False
        known = await row(connection, SQL["has_hash"], key_id=key_id, hash=hash)
        if known is None:  # deleted while this waited for the lock
            raise BlobNotFound
        alike = NewAsset(
            content_type=known["content_type"],
            file_path=new.file_path,
            tags=new.tags,
            expires_in=new.expires_in,
        )
        return await self._insert(connection, key_id, hash, alike), True

    async def _insert(
        self,
        connection: Connection,
        key_id: UUID,
        hash: str,
        new: NewAsset,
    ) -> AssetRecord:
        inserted = await row(
            connection,
            SQL["insert"],
            key_id=key_id,
            hash=hash,
            content_type=new.content_type,
            file_path=None if new.file_path is None else UNPRINTABLE.sub("_", new.file_path)[:MOST_PATH],
            tags=list(new.tags),
            job_id=new.job_id,
            lifetime=self._lifetime(new),
        )
        assert inserted is not None
        return await self._one(connection, inserted["id"])

    async def _one(self, connection: Connection, asset_id: UUID) -> AssetRecord:
        found = await row(connection, SQL["get"], asset_id=asset_id, key_id=None)
        assert found is not None
        return AssetRecord(**found)

    def _lifetime(self, new: NewAsset) -> float | None:
        """Seconds for which it is kept; outputs go with their job."""
        if new.job_id is not None:
            return None
        return self._settings.asset_retention if new.expires_in is None else float(new.expires_in)


def _hex(written: str) -> str | None:
    match = HASH.fullmatch(written)
    return match[1] if match else None


def _is_path(path: str) -> bool:
    is_plain = 0 < len(path) <= MOST_PATH and not UNPRINTABLE.search(path)
    return is_plain and not path.startswith(("/", "\\")) and ".." not in re.split(r"[/\\]", path)
