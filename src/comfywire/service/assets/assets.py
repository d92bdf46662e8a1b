"""Assets: which key owns which bytes, under which name, and for how long; ``blobs.py`` has the bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from comfywire.service.assets.blobs import Blob, Blobs, Staged
from comfywire.service.assets.chunks import CHUNK
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
DECODED_AT_A_TIME = 2
"""Pictures that one process decodes at a time: each takes some hundred megabytes at the worst."""


class Assets:
    """The assets of one database and one store of bytes.

    Args:
        database: Has a record of each asset.
        blobs: Has the bytes.
        signer: Signs URLs that are good without a key.
        settings: Retention, limits and the lifetime of URLs.
        now: Tells the time that URLs go by: one clock for all processes.

    """

    def __init__(
        self,
        database: Database,
        blobs: Blobs,
        signer: Signer,
        settings: Settings,
        *,
        now: Callable[[], float],
    ) -> None:
        self._now = now
        self.database = database
        self.blobs = blobs
        self._signer = signer
        self._settings = settings
        self.decoding = asyncio.Semaphore(DECODED_AT_A_TIME)
        """For whoever decodes a picture, from before its bytes are read until they are let go."""

    async def create(
        self, key_id: UUID, chunks: AsyncIterable[bytes], *, most: int | None = None, **about: Any
    ) -> tuple[AssetRecord, bool]:
        """Make an asset of the bytes of ``chunks``; return it, and whether the bytes are new to this key.

        When this returns, bytes and record survive a crash of anything. Cancelling this records nothing.

        Args:
            key_id: The key that owns the asset.
            chunks: The bytes.
            most: The most bytes that are taken; by default the limit of the settings.
            about: The description, as for :class:`NewAsset`: ``content_type``, ``file_path``, ``tags``,
                ``expires_in``, ``expected_hash``.

        Raises:
            TooLarge: ``chunks`` has more bytes than ``most``.
            HashMismatch: The bytes do not have ``expected_hash``.
            InvalidAsset: A value in ``about`` is not allowed.

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
        """Publish bytes that are written, for an asset that is to be recorded; the sweep spares them."""
        blob = staged.blob
        # The order matters: from here the sweep leaves the blob alone for an hour, whether it is new or not.
        await self.database.do(SQL["touch"], hash=blob.hash, size_bytes=blob.size_bytes)
        await staged.keep()
        return blob

    async def keep(self, staged: Staged, key_id: UUID, new: NewAsset) -> tuple[AssetRecord, bool]:
        """Make an asset of bytes that are written; the second half of :meth:`create`."""
        new.must_be_of(staged.blob.hash)
        blob = await self.shelve(staged)
        async with self.database.transaction() as connection:
            return await self.record(connection, blob.hash, key_id, new)

    async def record(
        self, connection: Connection, digest: str, key_id: UUID, new: NewAsset
    ) -> tuple[AssetRecord, bool]:
        """Make an asset of published bytes; return the asset, and whether the bytes are new to the key."""
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
        """Make an asset of bytes that the key has; return the asset, and whether no equal asset was there.

        An asset of the same bytes, path and tags is returned as it is, kept for longer if the caller asks for
        that, and is the newest of its name from then on.

        Raises:
            BlobNotFound: The key owns no asset of these bytes.
            InvalidAsset: The path, a tag or the time is not allowed.

        """
        digits = hex_of(digest)
        new = NewAsset(file_path=file_path, tags=tags, expires_in=expires_in)
        if digits is None:
            raise BlobNotFound
        async with self.database.transaction() as connection:
            # The lock comes first: after it, the sweep has removed the blob, or sees that it is wanted.
            if await row(connection, SQL["lock_blob_of_key"], hash=digits, key_id=key_id) is None:
                raise BlobNotFound
            return await self._equal_or_new(connection, key_id, digits, new)

    async def has_hash(self, key_id: UUID, digest: str) -> bool:
        """Whether the key owns an asset of these bytes."""
        digits = hex_of(digest)
        return digits is not None and None is not await self.database.one(
            SQL["has_hash"], key_id=key_id, hash=digits
        )

    async def get(self, asset_id: UUID, key_id: UUID | None = None) -> AssetRecord | None:
        """Return an asset; None for no such asset, and for one that ``key_id``, if given, does not own."""
        record = await self.database.one(SQL["get"], asset_id=asset_id, key_id=key_id)
        return None if record is None else AssetRecord(**record)

    async def delete(self, asset_id: UUID, key_id: UUID | None = None) -> None:
        """Delete an asset; the next sweep removes the bytes, unless another asset has the same.

        Raises:
            AssetNotFound: There is no such asset, or ``key_id`` is given and does not own it.
            AssetInUse: A job that has not ended reads the asset, or a job has made the asset.

        """
        async with self.database.transaction() as connection:
            answer = await row(connection, SQL["lock"], assets=[asset_id], key_id=key_id)
            if answer is None:
                raise AssetNotFound(asset_id)
            readers = await rows(connection, SQL["readers"], assets=[asset_id])
            if answer["is_output"] or any(reader["state"] not in TERMINAL for reader in readers):
                raise AssetInUse(asset_id)
            await execute(connection, SQL["delete"], assets=[asset_id], before=None)

    def read(
        self, asset: AssetRecord, start: int = 0, end: int | None = None, *, piece: int = CHUNK
    ) -> AsyncGenerator[bytes, None]:
        """Yield bytes of an asset from ``start`` up to and without ``end``, at most ``piece`` at a time.

        Close the iterator when leaving early.

        Raises:
            BlobGone: The store does not have the bytes.

        """
        return self.blobs.read(asset.hash, start, asset.size_bytes if end is None else end, piece=piece)

    def url(self, asset: AssetRecord, base_url: str) -> tuple[str, datetime]:
        """Return a URL under ``base_url`` that gives the bytes to anybody who has the URL, and until when."""
        return self.url_of(asset.id, base_url)

    def url_of(self, asset_id: UUID, base_url: str) -> tuple[str, datetime]:
        """Return the same as :meth:`url`, for an asset of which only the id is known."""
        expires = int(self._now() + self._settings.url_lifetime)
        signature = self._signer.sign(str(asset_id), expires)
        address = f"{base_url.rstrip('/')}/api/v2/signed/{asset_id}"
        return f"{address}?expires={expires}&signature={signature}", datetime.fromtimestamp(expires, UTC)

    async def get_signed(self, asset_id: UUID, expires: int, signature: str) -> AssetRecord:
        """Return the asset that a signed URL means.

        Raises:
            UrlExpired: The signature was not made here, or its time is over.
            AssetNotFound: The asset is gone.

        """
        if not self._signer.is_good(str(asset_id), expires, signature, now=self._now()):
            raise UrlExpired
        if (asset := await self.get(asset_id)) is None:
            raise AssetNotFound(asset_id)
        return asset

    async def sweep(self) -> int:
        """Remove expired jobs and uploads, and the oldest bytes beyond the limit; return how many blobs went.

        Ended jobs past their retention go with their outputs; then uploads past theirs; then, while there are
        more bytes than the settings allow, the oldest. Assets that a job which has not ended made or reads
        stay, and so do bytes that were uploaded or asked for in the last hour. One process sweeps at a time;
        the others get 0.
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
        answer = await row(connection, SQL["get"], asset_id=asset_id, key_id=None)
        assert answer is not None
        return AssetRecord(**answer)

    def _lifetime(self, new: NewAsset) -> float | None:
        """Return the seconds for which an asset of this description is kept."""
        return self._settings.asset_retention if new.expires_in is None else float(new.expires_in)
