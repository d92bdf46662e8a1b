"""Brings a job's outputs from the ComfyUI into the asset store as soon as the ComfyUI has written them."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import mimetypes
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import uuid4

from comfywire.client import Output
from comfywire.errors import ComfywireError, ReplyRefused
from comfywire.service.assets.assets import Assets
from comfywire.service.assets.blobs import Staged
from comfywire.service.assets.records import path_of
from comfywire.service.assets.store_check import StoreCheck
from comfywire.service.database.outage import patiently
from comfywire.service.database.storable import DEEPEST, is_too_deep
from comfywire.service.jobs.claims import Fenced, KeptBytes, KeptOutput
from comfywire.service.jobs.leases import Leases
from comfywire.service.jobs.output_folders import without_folders
from comfywire.service.jobs.records import Lease
from comfywire.service.worker.forgetting import forget_folders, forget_in_text
from comfywire.service.worker.replies import LONGEST_VALUE_BYTES, MOST_OUTPUTS, MOST_VALUE_BYTES

__all__ = ["CannotKeep", "Keeper"]

PIECE = 1 << 20
TRIES_OF_A_GOOD_STORE = 3
"""Tries to keep one output in a store that works for everything else."""
Withhold = Callable[[Mapping[str, Any], Path], Awaitable[str | None]]
"""Is given the facts of an output and the file with its bytes; returns the reason to withhold it, or None."""


class CannotKeep(ComfywireError):
    """The asset store does not take an output, or the worker's disk has no room to stage the output."""


class Keeper:
    """Keeps the outputs of one job, each once, in the order in which :meth:`keep` gets them.

    Args:
        assets: The store for the bytes.
        store: Knows whether the asset store works.
        leases: Records the outputs in the database, for as long as the worker has the job.
        withhold: Asked about each output before the store gets it.
        folder: For files between the ComfyUI and the store.

    """

    def __init__(
        self, assets: Assets, store: StoreCheck, leases: Leases, *, withhold: Withhold, folder: Path
    ) -> None:
        self._folder = folder
        self._store = store
        self._assets = assets
        self._leases = leases
        self._withhold = withhold
        self._kept: Counter[tuple[str, ...]] = Counter()
        self._position = 0
        self._room_for_values = MOST_VALUE_BYTES
        self._last: KeptOutput | None = None
        self.withheld: list[str] = []
        """One sentence for each output that was withheld."""

    def take_last(self) -> KeptOutput | None:
        """Return the output that :meth:`keep` has not recorded; from now on the caller has to see to it."""
        last, self._last = self._last, None
        return last

    async def keep(
        self, lease: Lease, outputs: list[Output], *, waits: bool = True, ends: bool = False
    ) -> None:
        """Keep those of ``outputs`` that are not kept yet; when this returns, the store has the bytes of all.

        Args:
            lease: The worker's claim on the job.
            outputs: All outputs that the job has so far, those of earlier calls among them.
            waits: Whether to wait for an asset store that is full or away, for as long as that lasts; the
                outputs stay on the ComfyUI meanwhile.
            ends: Whether the job is about to end: the last output is recorded with its end then, from
                :meth:`take_last`, since most jobs have one output, and a statement less is felt.

        Raises:
            CannotKeep: The store does not take an output.
            ReplyRefused: There are too many outputs, or one cannot be taken.
            OutputsGone: The ComfyUI does not have an output any more.
            ConnectionFailed, ConnectionLost, ServerError: An output could not be fetched.
            Fenced: Another worker has the job now.

        """
        _must_be_taken(outputs)
        # Counted, not a set: a node that lists the same file twice has two outputs.
        seen: Counter[tuple[str, ...]] = Counter()
        for output in outputs:
            identity = _identity(output)
            seen[identity] += 1
            if seen[identity] > self._kept[identity]:
                await self._keep(lease, output, waits=waits, ends=ends)
                self._kept[identity] += 1

    async def _keep(self, lease: Lease, output: Output, *, waits: bool, ends: bool) -> None:
        # Readers see an output before the next one is fetched, which may take long.
        if (before := self.take_last()) is not None:
            await self._leases.keep(lease, before)
        name = (
            output.filename
            or f"node{output.node_id}_{output.key}.{'txt' if output.kind == 'text' else 'json'}"
        )
        kept = await self._kept_bytes(lease, output, name, waits=waits)
        self._last = self._record(output, name, kept)
        if not ends:
            await self._leases.keep(lease, self._last)
            self._last = None

    async def _kept_bytes(self, lease: Lease, output: Output, name: str, *, waits: bool) -> KeptBytes | None:
        """Bring the bytes into the store; while the store does not work, wait for it and try again.

        A store that works, and refuses this output all the same, gets a few tries only: the fault is the
        output's or the worker's then, and waiting for the store would never end.
        """
        in_vain = 0
        while True:
            try:
                kept = await self._brought(lease, output, name)
            except CannotKeep:
                in_vain = in_vain + 1 if await self._store.failed() else 0
                if not waits or in_vain == TRIES_OF_A_GOOD_STORE:
                    raise
                await self._store.until_good()
            else:
                self._store.kept()
                return kept

    async def _brought(self, lease: Lease, output: Output, name: str) -> KeptBytes | None:
        path = (self._assets.blobs.incoming or self._folder) / uuid4().hex
        with _in_the_store():
            await _fetch(output, path, has_folder=lease.has_folder)
        async with contextlib.AsyncExitStack() as stack:
            with _in_the_store():
                staged = await stack.enter_async_context(self._assets.blobs.staged_file(path))
            return await self._shelved(output, staged, path, name)

    async def _shelved(self, output: Output, staged: Staged, path: Path, name: str) -> KeptBytes | None:
        """Move the staged bytes to their place in the store, unless a hook withholds the output."""
        content_type = _content_type(name, output.kind)
        facts = {
            "node_id": output.node_id,
            "class_type": output.class_type,
            "key": output.key,
            "kind": output.kind,
            "name": name,
            "content_type": content_type,
            "size_bytes": staged.blob.size_bytes,
        }
        reason = await self._withhold(facts, path)
        if reason is not None:
            self.withheld.append(f"node {output.node_id}: {name!r} is withheld: {reason}")
            return None
        with _in_the_store():
            blob = await patiently(lambda: self._assets.shelve(staged))
        return KeptBytes(blob.hash, content_type, path_of(_place(output.subfolder, name)), blob.size_bytes)

    def _record(self, output: Output, name: str, kept: KeptBytes | None) -> KeptOutput:
        position, self._position = self._position, self._position + 1
        size = kept.size_bytes if kept is not None and output.kind in ("text", "value") else None
        is_told = size is not None and size <= min(LONGEST_VALUE_BYTES, self._room_for_values)
        self._room_for_values -= size if size is not None and is_told else 0
        return KeptOutput(
            position=position,
            node_id=output.node_id,
            class_type=output.class_type,
            key=output.key,
            kind=output.kind,
            name=name,
            bytes=kept,
            value=output.value if is_told else None,
        )


@contextlib.contextmanager
def _in_the_store() -> Iterator[None]:
    """Raise whatever the store or the disk raises inside as CannotKeep.

    Each of fsspec's stores has exceptions of its own, so all are caught. Errors of Comfywire pass: they are
    about the ComfyUI, or say that another worker has the job.
    """
    try:
        yield
    except (ComfywireError, Fenced):
        raise
    except Exception as error:
        raise CannotKeep(f"an output could not be kept: {error}") from error


def _must_be_taken(outputs: list[Output]) -> None:
    """Raise if there are more outputs than a job may have, or one is a value that nobody could keep."""
    if len(outputs) > MOST_OUTPUTS:
        raise ReplyRefused(f"it tells of {len(outputs)} outputs, and a job may have {MOST_OUTPUTS}")
    for output in outputs:
        if output.filename is None and is_too_deep(output.value):
            raise ReplyRefused(
                f"node {output.node_id} tells a value that is nested more than {DEEPEST} levels deep"
            )


def _identity(output: Output) -> tuple[str, ...]:
    if output.filename is not None:
        return (output.node_id, output.key, output.filename, output.subfolder, output.type)
    return (output.node_id, output.key, _digest(output.value))


def _digest(value: Any) -> str:
    """Return what tells a text or a value from others, and is short however long the value is."""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
    hashed = hashlib.blake2b(type(value).__name__.encode())
    for start in range(0, len(text), PIECE):  # in pieces: nothing of tens of megabytes is copied as a whole
        hashed.update(text[start : start + PIECE].encode("utf-8", "surrogatepass"))
    return hashed.hexdigest()


def _place(subfolder: str, name: str) -> str:
    """Return an output's path below the output folder; a ComfyUI on Windows writes backslashes."""
    return str(PurePosixPath(subfolder.replace("\\", "/"), name))


def _content_type(name: str, kind: str) -> str:
    if kind == "text":
        return "text/plain; charset=utf-8"
    if kind == "value":
        return "application/json"
    return mimetypes.guess_type(name)[0] or KNOWN_TYPES.get(
        Path(name).suffix.lower(), "application/octet-stream"
    )


KNOWN_TYPES = {
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".jxl": "image/jxl",
    ".flac": "audio/flac",
    ".opus": "audio/ogg",
    ".glb": "model/gltf-binary",
}
"""Types that Python's ``mimetypes`` does not know on every system and in every version."""


async def _fetch(output: Output, path: Path, *, has_folder: bool) -> None:
    """Write an output to ``path``, with the job's own folder taken out of its texts and metadata.

    The client checks that a file has arrived whole.
    """
    try:
        if output.kind == "value":
            value = without_folders(output.value) if has_folder else output.value
            await asyncio.to_thread(_write, path, json.dumps(value))
        else:
            await output.save(path)
        if has_folder and output.kind != "value":
            await asyncio.to_thread(forget_in_text if output.kind == "text" else forget_folders, path)
    except UnicodeError as error:
        name = ascii(output.filename)[:200]
        raise ReplyRefused(
            f"node {output.node_id} names an output that nobody can ask for: {name}"
        ) from error
    except BaseException:
        await asyncio.to_thread(
            path.unlink, missing_ok=True
        )  # a cancellation may come when the file is whole already
        raise


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
