"""Bytes by their hash, in a folder or an object store: written as a stream, published whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import fsspec
from blake3 import blake3

from comfywire.client.threads import in_thread
from comfywire.errors import ComfywireError, MissingExtra
from comfywire.service.assets.blob_files import hashed, make_folder, moved

__all__ = ["CHUNK", "Blob", "BlobGone", "Blobs", "Staged", "TooLarge", "UnusableStore"]

CHUNK = 1 << 20
"""Bytes that pass from hand to hand at a time; a transfer holds a few of them."""
BLOCK = 8 << 20
"""What an object store is sent or asked for at a time: S3 takes 10,000 parts, which is 80 GB of these."""
INCOMING = "incoming"
"""The folder of what is still being written; what is left in it was left by a crash."""

PROOF = b"comfywire"
"""What a store is tried with, over and over."""
LONGEST_PROOF = 8 << 20
"""Bytes that are written for a try; whether there is room for more is asked of the file system."""

REMEDY = "see that this process may write there, or name another store with --assets"
S3_REMEDY = "check --assets, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_ENDPOINT_URL"


class TooLarge(ComfywireError):
    """More bytes than may be kept.

    Attributes:
        most: How many may.

    """

    code = "payload_too_large"
    http_status = 413

    def __init__(self, most: int) -> None:
        self.most = most
        super().__init__(f"the content is larger than {most} bytes, the most that is taken: send less")


class UnusableStore(ComfywireError):
    """No asset store can be had under this URL, or it does not take bytes and give them back."""


class BlobGone(ComfywireError):
    """The store does not have the bytes of a hash that the database knows."""

    code = "not_found"
    http_status = 404


def _opened(url: str, options: Mapping[str, Any]) -> tuple[Any, str]:
    try:
        files, root = fsspec.core.url_to_fs(url, **options)
    except ImportError as error:
        if url.startswith(("s3:", "s3a:")):
            raise MissingExtra("an asset store on S3", "s3") from error
        raise UnusableStore(f"the asset store {url!r} needs a package of its own: {error}") from error
    except ValueError as error:
        raise UnusableStore(f"{url!r} is no asset store: name a folder, or s3://bucket/prefix") from error
    return files, root


def _without_password(url: str) -> str:
    scheme, mark, rest = url.rpartition("://")
    place, slash, path = rest.partition("/")
    return f"{scheme}{mark}{place.rpartition('@')[2]}{slash}{path}" if mark else url


def _reason(error: Exception) -> str:
    """What a store says, on one line."""
    said = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    return " ".join(said.split()).rstrip(".")


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes that are kept.

    Attributes:
        hash: BLAKE3, hex.
        size_bytes: How many.

    """

    hash: str
    size_bytes: int


class Blobs:
    """A store of bytes by hash.

    Args:
        url: A folder, or what fsspec takes: ``s3://bucket/prefix``, ``memory://name``.
        options: For fsspec's file system, such as ``endpoint_url`` of S3.

    Raises:
        MissingExtra: It is on S3, and what speaks to that is not installed.
        UnusableStore: Nothing here speaks to a store of that kind.

    """

    def __init__(self, url: str, **options: Any) -> None:
        self._files, root = _opened(url, options)
        self._root = root.rstrip("/")
        self._name = _without_password(url)
        self._remedy = S3_REMEDY if "s3" in self._files.protocol else REMEDY
        # Object stores have no folders; asking S3 to make one asks for rights on the bucket.
        is_local = "file" in self._files.protocol
        self._has_folders = self._files.protocol == "memory" or is_local
        self.incoming = Path(self._root) / INCOMING if is_local else None
        """Where a file may be written that :meth:`staged_file` then moves; elsewhere, it is copied."""

    async def prove(self, room: int = len(PROOF)) -> None:
        """Write ``room`` bytes, read and remove them. When this is cancelled, it ends that first.

        Of a large ``room`` a part is written, and the file system of a folder is asked for the rest.

        Raises:
            UnusableStore: The store does not let us, or has no room; why, and what to look at.

        """
        await in_thread(self._prove, room)

    async def put(self, chunks: AsyncIterable[bytes], *, most: int | None = None) -> Blob:
        """Keep what ``chunks`` yields and return its hash and size; equal bytes are kept once.

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
        """Write what ``chunks`` yields under a temporary name; :meth:`Staged.keep` publishes it.

        Left without that, it is removed. Raises as :meth:`put` does.
        """
        path = f"{self._root}/{INCOMING}/{uuid.uuid4().hex}"
        try:
            yield Staged(self, path, await self._write(path, chunks, most))
        finally:
            await in_thread(self._remove, path)

    @contextlib.asynccontextmanager
    async def staged_file(self, path: Path) -> AsyncIterator[Staged]:
        """Take a file that is whole, as :meth:`staged` takes chunks; it is gone when this is left."""
        is_kept = False
        try:
            if path.parent != self.incoming:
                async with self.staged(_read(path)) as staged:
                    yield staged
                return
            staged = Staged(self, str(path), Blob(*await in_thread(hashed, path)))
            yield staged
            is_kept = staged.is_kept
        finally:
            if not is_kept:
                await in_thread(path.unlink, True)

    async def read(
        self, digest: str, start: int = 0, end: int | None = None, *, piece: int = CHUNK
    ) -> AsyncGenerator[bytes, None]:
        """Yield the bytes from ``start`` up to and without ``end``, at most ``piece`` of them at a time.

        Close the iterator when leaving early.

        Raises:
            BlobGone: The store does not have them.

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
        """Return a URL from which the store itself gives the bytes; None if it cannot make one.

        Args:
            digest: Of which bytes; whether they are there is not looked at.
            seconds: For how long the URL is good.
            content_type: What the store says they are.
            disposition: Its ``Content-Disposition``, which is what keeps a browser from running a page there.

        """
        said = {"ResponseContentType": content_type, "ResponseContentDisposition": disposition}
        try:
            return str(await in_thread(partial(self._files.sign, self.path(digest), seconds, **said)))
        except NotImplementedError:  # a folder, and what else has no addresses
            return None

    async def delete(self, digest: str) -> None:
        """Remove the bytes of a hash, if they are there."""
        await in_thread(self._remove, self.path(digest))

    async def discard_stale(self, seconds: float) -> int:
        """Remove what a crash left half written longer than ``seconds`` ago; return how many files."""
        return await in_thread(self._discard_stale, time.time() - seconds)

    async def aclose(self) -> None:
        """Close the connections to an object store; a folder has none."""
        session = getattr(self._files, "_s3", None)
        if session is not None:
            await in_thread(self._files.close_session, self._files.loop, session)

    def path(self, digest: str) -> str:
        """Where the bytes of a hash are: two levels, so that no folder grows without bound."""
        return f"{self._root}/blake3/{digest[:2]}/{digest}"

    async def _write(self, path: str, chunks: AsyncIterable[bytes], most: int | None) -> Blob:
        digest, size = blake3(), 0
        file = await in_thread(self._open_to_write, path)
        try:
            async for chunk in _gathered(chunks):
                size += len(chunk)
                if most is not None and size > most:
                    raise TooLarge(most)
                await in_thread(_append, file, digest, chunk)
        finally:
            # Also what failed: closing is the one way to end a write that all of fsspec's stores have.
            await in_thread(_close, file)
        return Blob(digest.hexdigest(), size)

    def _prove(self, room: int) -> None:
        path = f"{self._root}/{INCOMING}/{uuid.uuid4().hex}"  # where what is left behind is discarded
        content = PROOF * (min(room, LONGEST_PROOF) // len(PROOF))
        try:
            self._make_folder_of(path)
            self._must_have_room(room)
            try:
                self._files.pipe_file(path, content)
                if self._files.cat_file(path) != content:
                    raise OSError("what was written comes back changed")
            finally:
                self._remove(path)  # half of it is there when the disk is full
        except Exception as error:  # each of fsspec's stores has its own
            raise UnusableStore(
                f"the asset store {self._name!r} cannot be used ({_reason(error)}): {self._remedy}"
            ) from error

    def _must_have_room(self, room: int) -> None:
        """On its way to an object store, a file is in the folder for temporary files."""
        folder = tempfile.gettempdir() if self.incoming is None else self.incoming
        if (free := shutil.disk_usage(folder).free) < room:
            raise OSError(f"{free >> 20} MiB are free in {folder}, and {room >> 20} MiB are wanted")

    def _open_to_write(self, path: str) -> Any:
        self._make_folder_of(path)
        return self._files.open(path, "wb", block_size=BLOCK)

    def _open_to_read(self, path: str) -> Any:
        return self._files.open(path, "rb", block_size=BLOCK, cache_type="readahead")

    def _publish(self, source: str, target: str) -> None:
        if self.incoming is not None:
            moved(Path(source), Path(target))
        elif not self._exists(target):
            self._make_folder_of(target)
            self._files.mv(source, target)

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
        folder = f"{self._root}/{INCOMING}"
        self._files.invalidate_cache()  # other processes write there, too
        if not self._exists(folder):
            return 0
        stale = [found["name"] for found in self._files.ls(folder, detail=True) if _written(found) < before]
        for path in stale:
            self._remove(path)
        return len(stale)


@dataclass(slots=True)
class Staged:
    """Bytes that are written and not yet published.

    Attributes:
        blob: Their hash and size.
        is_kept: Whether they are published.

    """

    _blobs: Blobs
    _path: str
    blob: Blob
    is_kept: bool = False

    async def keep(self) -> None:
        """Publish the bytes under their hash, in one step; nothing happens when they are there."""
        await in_thread(self._blobs._publish, self._path, self._blobs.path(self.blob.hash))  # noqa: SLF001
        self.is_kept = True


def _append(file: Any, digest: Any, chunk: bytes) -> None:
    digest.update(chunk)
    file.write(chunk)


def _close(file: Any) -> None:
    if hasattr(file, "fileno"):  # a real file: on disk before the database says that it is kept
        file.flush()
        with contextlib.suppress(OSError):  # memory's files have the method and no number
            os.fsync(file.fileno())
    file.close()


def _written(found: dict[str, Any]) -> float:
    """When a file was written, as the store says it; for ever young where it does not."""
    when = found.get("mtime") or found.get("LastModified") or found.get("created")
    if isinstance(when, datetime):
        return when.timestamp()
    return float(when) if when is not None else time.time()


async def _read(path: Path) -> AsyncIterator[bytes]:
    file = await in_thread(lambda: path.open("rb"))
    try:
        while chunk := await in_thread(file.read, CHUNK):
            yield chunk
    finally:
        await in_thread(file.close)


async def _gathered(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """Yield the same bytes in pieces of about ``CHUNK``: sockets' 64 KiB are too little for a thread each."""
    waiting = bytearray()
    async for chunk in chunks:
        waiting += chunk
        if len(waiting) >= CHUNK:
            yield bytes(waiting)
            waiting.clear()
    if waiting:
        yield bytes(waiting)
