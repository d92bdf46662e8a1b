"""Bytes by their hash, in a folder or an object store: written as a stream, published whole or not at all.

An object store cannot rename: bytes that go there under a temporary name cost a PUT, a COPY and a DELETE. So
they wait in a file here until their hash is known, and are put under it at once; where they are, not at all.
"""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from blake3 import blake3

from comfywire.client.threads import in_thread
from comfywire.errors import ComfywireError
from comfywire.service.assets.blob_files import hashed, make_folder, moved
from comfywire.service.assets.chunks import CHUNK, chunks_of, gathered
from comfywire.service.assets.leftovers import WAITING, discard_in_store, discard_waiting
from comfywire.service.assets.opening import (
    UnusableStore,
    open_store,
    reason_of,
    remedy_of,
    without_password,
)

__all__ = ["Blob", "BlobGone", "Blobs", "Staged", "TooLarge"]

BLOCK = 8 << 20
"""Bytes that are asked of an object store at a time."""
PART = 5 << 20
"""Bytes of one part of a file on its way to S3, which takes no smaller ones, and 10,000 of them at most."""
PARTS_AT_ONCE = 3
"""Parts that go to S3 side by side: each is twice in memory meanwhile."""
MOST_PARTS = 10_000
INCOMING = "incoming"
"""The folder for bytes that are still being written; old files in it were left by a crash."""
WHOLE = frozenset({"s3", "gs", "abfs", "memory"})
"""File systems of fsspec whose put shows all bytes or none; with others they are put aside, and moved."""

PROOF = b"comfywire"
"""The bytes that a try of a store writes, over and over."""
LONGEST_PROOF = 8 << 20
"""The most bytes that a try writes; the file system is asked whether there is room for more."""


class TooLarge(ComfywireError):
    """The content has more bytes than are taken.

    Attributes:
        most: The most bytes that are taken.

    """

    code = "payload_too_large"
    http_status = 413

    def __init__(self, most: int) -> None:
        self.most = most
        super().__init__(f"the content is larger than {most} bytes, the most that is taken: send less")


class BlobGone(ComfywireError):
    """The store does not have the bytes of a hash that the database knows."""

    code = "not_found"
    http_status = 404


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes in the store, by their hash.

    Attributes:
        hash: BLAKE3, hex.
        size_bytes: The number of bytes.

    """

    hash: str
    size_bytes: int


class Blobs:
    """A store of bytes by hash.

    Args:
        url: A folder, or what fsspec takes: ``s3://bucket/prefix``, ``memory://name``.
        options: For fsspec's file system, such as ``endpoint_url`` of S3.

    Raises:
        MissingExtra: The store is on S3, and the extra for S3 is not installed.
        UnusableStore: Nothing here speaks to a store of that kind.

    """

    def __init__(self, url: str, **options: Any) -> None:
        self._files, root = open_store(url, options)
        self._root = root.rstrip("/")
        self._name = without_password(url)
        self._remedy = remedy_of(self._files)
        # Object stores have no folders; asking S3 to make one asks for rights on the bucket.
        is_local = "file" in self._files.protocol
        self._has_folders = self._files.protocol == "memory" or is_local
        self.incoming = Path(self._root) / INCOMING if is_local else None
        """The folder from which :meth:`staged_file` moves a file; it copies files of other folders."""

    async def prove(self, room: int = len(PROOF)) -> None:
        """Write ``room`` bytes, read them and remove them. Cancelling this waits until they are removed.

        Of a large ``room`` a part is written, and the file system of a folder is asked for the rest.

        Raises:
            UnusableStore: The store refuses, or has no room; the message says why, and what to look at.

        """
        await in_thread(self._prove, room)

    async def put(self, chunks: AsyncIterable[bytes], *, most: int | None = None) -> Blob:
        """Keep the bytes of ``chunks`` and return their hash and size; equal bytes are kept once.

        Cancelling this, or an error of ``chunks``, keeps nothing.

        Raises:
            TooLarge: There are more than ``most`` bytes.
            OSError: The store failed.

        """
        async with self.staged(chunks, most=most) as staged:
            await staged.keep()
            return staged.blob

    @contextlib.asynccontextmanager
    async def staged(self, chunks: AsyncIterable[bytes], *, most: int | None = None) -> AsyncIterator[Staged]:
        """Write the bytes of ``chunks`` under a temporary name; :meth:`Staged.keep` publishes them.

        Bytes that are not published are removed at the end of the block. Raises as :meth:`put` does.
        """
        path = self._waiting_place()
        try:
            yield Staged(self, path, await self._write(path, chunks, most))
        finally:
            await in_thread(path.unlink, True)

    @contextlib.asynccontextmanager
    async def staged_file(self, path: Path) -> AsyncIterator[Staged]:
        """Take a whole file, as :meth:`staged` takes chunks; at the end of the block the file is gone."""
        staged: Staged | None = None
        try:
            if self.incoming not in (None, path.parent):
                async with self.staged(chunks_of(path)) as copied:
                    yield copied
                return
            staged = Staged(self, path, Blob(*await in_thread(hashed, path)))
            yield staged
        finally:
            if staged is None or not staged.is_moved:  # a thread costs as much as a statement
                await in_thread(path.unlink, True)

    async def read(
        self, digest: str, start: int = 0, end: int | None = None, *, piece: int = CHUNK
    ) -> AsyncGenerator[bytes, None]:
        """Yield the bytes from ``start`` up to and without ``end``, at most ``piece`` of them at a time.

        Close the iterator when leaving early.

        Raises:
            BlobGone: The store does not have the bytes.

        """
        try:
            file = await in_thread(self._open_to_read, self.path(digest))
        except FileNotFoundError as error:
            raise BlobGone(
                f"the asset store has no blob {digest}: restore it, or delete the assets that name it"
            ) from error
        try:
            await in_thread(file.seek, start)
            left = piece if end is None else end - start
            while left > 0 and (chunk := await in_thread(file.read, min(left, piece))):
                yield chunk
                left -= 0 if end is None else len(chunk)
        finally:
            await in_thread(file.close)

    async def exists(self, digest: str) -> bool:
        """Whether the bytes of a hash are kept."""
        return await in_thread(self._exists, self.path(digest))

    async def link(self, digest: str, *, seconds: int, content_type: str, disposition: str) -> str | None:
        """Return a URL at which the store itself gives the bytes; None for a store without addresses.

        Args:
            digest: The hash; whether the store has the bytes is not looked at.
            seconds: For how long the URL is good.
            content_type: The media type that the store answers with.
            disposition: The ``Content-Disposition`` that the store answers with, which keeps a browser from
                running a page there.

        """
        headers = {"ResponseContentType": content_type, "ResponseContentDisposition": disposition}
        try:
            return str(await in_thread(partial(self._files.sign, self.path(digest), seconds, **headers)))
        except NotImplementedError:  # a folder has no addresses
            return None

    async def delete(self, digest: str) -> None:
        """Remove the bytes of a hash, if they are there."""
        await in_thread(self._remove, self.path(digest))

    async def discard_stale(self, seconds: float) -> int:
        """Remove files that a crash left half written more than ``seconds`` ago; return how many."""
        return await in_thread(self._discard_stale, time.time() - seconds)

    async def aclose(self) -> None:
        """Close the connections to an object store; a folder has none."""
        session = getattr(self._files, "_s3", None)
        if session is not None:
            await in_thread(self._files.close_session, self._files.loop, session)

    def path(self, digest: str) -> str:
        """Return where the bytes of a hash are: two levels, so that no folder grows without bound."""
        return f"{self._root}/blake3/{digest[:2]}/{digest}"

    def _waiting_place(self) -> Path:
        if self.incoming is not None:
            return self.incoming / uuid.uuid4().hex
        return Path(tempfile.gettempdir()) / f"{WAITING}{uuid.uuid4().hex}"

    async def _write(self, path: Path, chunks: AsyncIterable[bytes], most: int | None) -> Blob:
        digest, size = blake3(), 0
        file = await in_thread(self._open_to_write, path)
        try:
            async for chunk in gathered(chunks):
                size += len(chunk)
                if most is not None and size > most:
                    raise TooLarge(most)
                await in_thread(_append, file, digest, chunk)
        finally:
            await in_thread(_close, file)
        return Blob(digest.hexdigest(), size)

    def _prove(self, room: int) -> None:
        path = f"{self._root}/{INCOMING}/{uuid.uuid4().hex}"  # a file that is left there is discarded later
        content = PROOF * (min(room, LONGEST_PROOF) // len(PROOF))
        try:
            self._make_folder_of(path)
            self._must_have_room(room)
            try:
                self._files.pipe_file(path, content)
                if self._files.cat_file(path) != content:
                    raise OSError("the bytes that were written come back changed")
            finally:
                self._remove(path)  # a full disk has half of the file
        except Exception as error:  # each of fsspec's stores has exceptions of its own
            raise UnusableStore(
                f"the asset store {self._name!r} cannot be used ({reason_of(error)}): {self._remedy}"
            ) from error

    def _must_have_room(self, room: int) -> None:
        """Check the room for one file, which waits in a temporary folder on its way to an object store."""
        folder = tempfile.gettempdir() if self.incoming is None else self.incoming
        if (free := shutil.disk_usage(folder).free) < room:
            raise OSError(f"{free >> 20} MiB are free in {folder}, and {room >> 20} MiB are wanted")

    def _open_to_write(self, path: Path) -> BinaryIO:
        if self.incoming is not None:
            make_folder(path.parent)
        # For this account alone: the temporary folder is everybody's.
        return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")

    def _open_to_read(self, path: str) -> Any:
        return self._files.open(path, "rb", block_size=BLOCK, cache_type="readahead")

    def _publish(self, source: Path, target: str) -> None:
        if self.incoming is not None:
            moved(source, Path(target))
            return
        self._files.invalidate_cache(target)  # another process may have put or removed it
        if self._exists(target):
            return
        self._make_folder_of(target)
        if not WHOLE.isdisjoint(_protocols(self._files)):
            self._files.put_file(str(source), target, **self._parts(source))
            return
        aside = f"{self._root}/{INCOMING}/{source.name}"
        self._make_folder_of(aside)
        try:
            self._files.put_file(str(source), aside)
            self._files.mv(aside, target)
        finally:
            self._remove(aside)

    def _parts(self, source: Path) -> dict[str, int]:
        """Return how a file goes to S3: in parts of a bounded size, a few side by side."""
        if "s3" not in _protocols(self._files):
            return {}
        size = max(PART, math.ceil(source.stat().st_size / MOST_PARTS))
        return {"chunksize": size, "max_concurrency": PARTS_AT_ONCE}

    def _make_folder_of(self, path: str) -> None:
        folder = path.rpartition("/")[0]
        if self.incoming is not None:
            make_folder(Path(folder))
        elif self._has_folders:
            self._files.makedirs(folder, exist_ok=True)

    def _exists(self, path: str) -> bool:
        return bool(self._files.exists(path))

    def _remove(self, path: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._files.rm_file(path)

    def _discard_stale(self, before: float) -> int:
        waiting = 0 if self.incoming is not None else discard_waiting(before)
        return waiting + discard_in_store(self._files, f"{self._root}/{INCOMING}", before)


@dataclass(slots=True)
class Staged:
    """Bytes that are written under a temporary name.

    Attributes:
        blob: The hash and size of the bytes.
        is_moved: Whether the file is not under its temporary name any more.

    """

    _blobs: Blobs
    _path: Path
    blob: Blob
    is_moved: bool = False

    async def keep(self) -> None:
        """Publish the bytes under their hash, in one step; equal bytes that are there already stay."""
        await in_thread(self._blobs._publish, self._path, self._blobs.path(self.blob.hash))  # noqa: SLF001
        self.is_moved = self._blobs.incoming is not None


def _append(file: BinaryIO, digest: Any, chunk: bytes) -> None:
    digest.update(chunk)
    file.write(chunk)


def _close(file: BinaryIO) -> None:
    with file:  # it must be on disk before the database names it
        file.flush()
        os.fsync(file.fileno())


def _protocols(files: Any) -> set[str]:
    """Return the names by which fsspec knows a file system."""
    return {files.protocol} if isinstance(files.protocol, str) else set(files.protocol)
