"""A job's outputs, brought from the ComfyUI into the asset store as soon as they are there."""

from __future__ import annotations

import asyncio
import contextlib
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
from comfywire.service.jobs.leases import Fenced, KeptBytes, KeptOutput, Leases, patiently
from comfywire.service.jobs.output_folders import without_folders
from comfywire.service.jobs.records import Lease
from comfywire.service.worker.forgetting import forget_folders, forget_in_text
from comfywire.service.worker.replies import LONGEST_VALUE_BYTES

__all__ = ["CannotKeep", "Keeper"]

TRIES_OF_A_GOOD_STORE = 3
"""How often a store that works otherwise is asked to keep one output."""
Withhold = Callable[[Mapping[str, Any], Path], Awaitable[str | None]]
"""Given what an output is and where its bytes are: the reason to withhold it, or None."""


class CannotKeep(ComfywireError):
    """The asset store does not take an output, or there is no room for it on its way there."""


class Keeper:
    """Keeps the outputs of one job, each once, in the order in which they are given.

    Args:
        assets: Where they are kept.
        store: Whether anything can be.
        leases: Where they are written down.
        withhold: Asked about each before it is kept.
        folder: For files on their way.

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
        self.withheld: list[str] = []
        """One sentence for each output that was withheld."""

    async def keep(self, lease: Lease, outputs: list[Output], *, waits: bool = True) -> None:
        """Keep those of ``outputs`` that are not kept yet; when this returns, their bytes are ours.

        Args:
            lease: Of the job.
            outputs: All that are known.
            waits: Whether to wait for an asset store that is full or away, for as long as it takes; the
                outputs stay on the ComfyUI meanwhile.

        Raises:
            CannotKeep: The store does not take one of them.
            OutputsGone: The server does not have one of them any more.
            ConnectionFailed, ConnectionLost, ServerError: One could not be fetched.
            Fenced: The job is another worker's.

        """
        seen: Counter[tuple[str, ...]] = Counter()
        for output in outputs:
            identity = _identity(output)
            seen[identity] += 1
            if seen[identity] > self._kept[identity]:
                await self._keep(lease, output, waits=waits)
                self._kept[identity] += 1

    async def _keep(self, lease: Lease, output: Output, *, waits: bool) -> None:
        name = (
            output.filename
            or f"node{output.node_id}_{output.key}.{'txt' if output.kind == 'text' else 'json'}"
        )
        kept = await self._kept_bytes(lease, output, name, waits=waits)
        await self._leases.keep(lease, self._record(output, name, kept))

    async def _kept_bytes(self, lease: Lease, output: Output, name: str, *, waits: bool) -> KeptBytes | None:
        """Bring the bytes into the store, again and again while that does not work.

        A store that works and does not take this output all the same is asked a few times: something is
        wrong with the output, or with us, and waiting would never end.
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
        """Put the bytes where they stay, unless the operator does not want that."""
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
        is_value = output.kind in ("text", "value") and kept is not None
        is_short = kept is not None and kept.size_bytes <= LONGEST_VALUE_BYTES
        return KeptOutput(
            position=position,
            node_id=output.node_id,
            class_type=output.class_type,
            key=output.key,
            kind=output.kind,
            name=name,
            bytes=kept,
            value=output.value if is_value and is_short else None,
        )


@contextlib.contextmanager
def _in_the_store() -> Iterator[None]:
    """Do something with the store or the disk inside: whatever either of them raises is CannotKeep.

    Each of fsspec's stores has exceptions of its own; ours are the ComfyUI's, or say what became of the job.
    """
    try:
        yield
    except (ComfywireError, Fenced):
        raise
    except Exception as error:
        raise CannotKeep(f"an output could not be kept: {error}") from error


def _identity(output: Output) -> tuple[str, ...]:
    if output.filename is not None:
        return (output.node_id, output.key, output.filename, output.subfolder, output.type)
    return (output.node_id, output.key, json.dumps(output.value, sort_keys=True, default=str))


def _place(subfolder: str, name: str) -> str:
    """Return where a ComfyUI, which may run on Windows, keeps an output."""
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
"""What Python's table does not know everywhere."""


async def _fetch(output: Output, path: Path, *, has_folder: bool) -> None:
    """Stream the output into a file of ours, without the job's folder; the client checks that it is whole."""
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
        await asyncio.to_thread(path.unlink, missing_ok=True)  # cancelled just as it was whole
        raise


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
