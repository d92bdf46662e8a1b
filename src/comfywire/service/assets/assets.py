"""Assets: whose bytes are whose, under what name, and for how long; ``blobs.py`` has the bytes."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from comfywire.service.assets.blobs import CHUNK, Blob, Blobs, Staged
from comfywire.service.assets.records import (
    AssetInUse,
    AssetNotFound,
    AssetRecord,
    BlobNotFound,
    NewAsset,
    UrlExpired,
    hex_of,
)
from comfywire.service.assets.signing import Signer
from comfywire.service.assets.sweep import Sweep
from comfywire.service.database.pool import Connection, Database, execute, row, rows
from comfywire.service.jobs.states import TERMINAL
from comfywire.service.settings import Settings
from comfywire.service.sql import queries

__all__ = ["AssetRecord", "Assets"]

SQL = queries("assets")


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
                ``expected_hash``.

        Raises:
            TooLarge: There are more bytes than that.
            HashMismatch: They are not those of ``expected_hash``.
            InvalidAsset: Something in ``about`` is not allowed.

        """
        new = NewAsset(**about)
        async with self.staged(chunks, most=most) as staged:
            return await self.keep(staged, key_id, new)

    def staged(
        self, chunks: AsyncIterable[bytes], *, most: int | None = None
    ) -> AbstractAsyncContextManager[Staged]:
        """Write bytes that :meth:`keep` may make an asset of, as :meth:`Blobs.staged` does."""
        return self.blobs.staged(chunks, most=self._settings.max_upload_bytes if most is None else most)

    async def shelve(self, staged: Staged) -> Blob:
        """Publish bytes that are written, for an asset that is about to name them: the sweep spares them."""
        blob = staged.blob
        # From here the sweep leaves the blob alone for an hour, whether it was there or not.
        await self.database.do(SQL["touch"], hash=blob.hash, size_bytes=blob.size_bytes)
        await staged.keep()
        return blob

    async def keep(self, staged: Staged, key_id: UUID, new: NewAsset) -> tuple[AssetRecord, bool]:
        """Make an asset of bytes that are written: what :meth:`create` does when they have come."""
        new.must_be_of(staged.blob.hash)
        blob = await self.shelve(staged)
        async with self.database.transaction() as connection:
            return await self.record(connection, blob.hash, key_id, new)

    async def record(
        self, connection: Connection, digest: str, key_id: UUID, new: NewAsset
    ) -> tuple[AssetRecord, bool]:
        """Make an asset of bytes that are shelved; return it, and whether the key had no such bytes."""
        await execute(connection, SQL["lock_blob_of_key"], hash=digest, key_id=None)
        had = await row(connection, SQL["has_hash"], key_id=key_id, hash=digest)
        return await self._insert(connection, key_id, digest, new), had is None

    async def from_hash(
        self,
        key_id: UUID,
        digest: str,
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
        named = hex_of(digest)
        new = NewAsset(file_path=file_path, tags=tags, expires_in=expires_in)
        if named is None:
            raise BlobNotFound
        async with self.database.transaction() as connection:
            # The lock first: then the sweep has either taken the blob, or sees that it is wanted.
            if await row(connection, SQL["lock_blob_of_key"], hash=named, key_id=key_id) is None:
                raise BlobNotFound
            return await self._equal_or_new(connection, key_id, named, new)

    async def has_hash(self, key_id: UUID, digest: str) -> bool:
        """Whether the key owns an asset of these bytes."""
        named = hex_of(digest)
        return named is not None and None is not await self.database.one(
            SQL["has_hash"], key_id=key_id, hash=named
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

    def read(
        self, asset: AssetRecord, start: int = 0, end: int | None = None, *, piece: int = CHUNK
    ) -> AsyncGenerator[bytes, None]:
        """Yield bytes of an asset from ``start`` up to and without ``end``, at most ``piece`` at a time.

        Close the iterator when leaving early.

        Raises:
            BlobGone: The store does not have them.

        """
        return self.blobs.read(asset.hash, start, asset.size_bytes if end is None else end, piece=piece)

    def url(self, asset: AssetRecord, base_url: str) -> tuple[str, datetime]:
        """Return a URL under ``base_url`` that gives the bytes to whoever has it, and until when."""
        return self.url_of(asset.id, base_url)

    def url_of(self, asset_id: UUID, base_url: str) -> tuple[str, datetime]:
        """Like :meth:`url`, for an asset of which only the id is at hand."""
        expires = int(time.time() + self._settings.url_lifetime)
        signature = self._signer.sign(str(asset_id), expires)
        address = f"{base_url.rstrip('/')}/api/v2/signed/{asset_id}"
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
        more bytes than the settings allow, the oldest. What a job that has not ended made or reads stays, and
        so do bytes that somebody gave or asked for in the last hour.
        One process sweeps at a time; others get 0.
        """
        return await Sweep(self.database, self.blobs).run(self._settings.max_asset_bytes)

    async def _equal_or_new(
        self,
        connection: Connection,
        key_id: UUID,
        digest: str,
        new: NewAsset,
    ) -> tuple[AssetRecord, bool]:
        lifetime = self._lifetime(new)
        equal = await row(
            connection,
            SQL["extend_equal"],
            key_id=key_id,
            hash=digest,
            file_path=new.file_path,
            tags=list(new.tags),
            lifetime=lifetime,
        )
        if equal is not None:
            return await self._one(connection, equal["id"]), False
        known = await row(connection, SQL["has_hash"], key_id=key_id, hash=digest)
        if known is None:  # deleted while this waited for the lock
            raise BlobNotFound
        alike = NewAsset(
            content_type=known["content_type"],
            file_path=new.file_path,
            tags=new.tags,
            expires_in=new.expires_in,
        )
        return await self._insert(connection, key_id, digest, alike), True

    async def _insert(
        self,
        connection: Connection,
        key_id: UUID,
        digest: str,
        new: NewAsset,
    ) -> AssetRecord:
        inserted = await row(
            connection,
            SQL["insert"],
            key_id=key_id,
            hash=digest,
            content_type=new.content_type,
            file_path=new.file_path,
            tags=list(new.tags),
            lifetime=self._lifetime(new),
            is_named=new.is_named,
        )
        assert inserted is not None
        return await self._one(connection, inserted["id"])

    async def _one(self, connection: Connection, asset_id: UUID) -> AssetRecord:
        found = await row(connection, SQL["get"], asset_id=asset_id, key_id=None)
        assert found is not None
        return AssetRecord(**found)

    def _lifetime(self, new: NewAsset) -> float | None:
        """Seconds for which it is kept."""
        return self._settings.asset_retention if new.expires_in is None else float(new.expires_in)
