"""A job's outputs, brought from the ComfyUI into the asset store as soon as they are there."""

from __future__ import annotations

import asyncio
import json
import mimetypes
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from comfywire.client import Output
from comfywire.service.assets.assets import Assets
from comfywire.service.assets.blobs import Staged
from comfywire.service.assets.records import path_of
from comfywire.service.jobs.leases import KeptBytes, KeptOutput, Leases, patiently
from comfywire.service.jobs.records import Lease

__all__ = ["Keeper"]

Withhold = Callable[[Mapping[str, Any], Path], Awaitable[str | None]]
"""Given what an output is and where its bytes are: the reason to withhold it, or None."""


class Keeper:
    """Keeps the outputs of one job, each once, in the order in which they are given.

    Args:
        assets: Where they are kept.
        leases: Where they are written down.
        withhold: Asked about each before it is kept.
        folder: For files on their way.

    """

    def __init__(self, assets: Assets, leases: Leases, *, withhold: Withhold, folder: Path) -> None:
        self._folder = folder
        self._assets = assets
        self._leases = leases
        self._withhold = withhold
        self._kept: Counter[tuple[str, ...]] = Counter()
        self._position = 0
        self.withheld: list[str] = []
        """One sentence for each output that was withheld."""

    async def keep(self, lease: Lease, outputs: list[Output]) -> None:
        """Keep those of ``outputs`` that are not kept yet; when this returns, their bytes are ours.

        Raises:
            OutputsGone: The server does not have one of them any more.
            ConnectionFailed, ConnectionLost, ServerError: One could not be fetched.
            Fenced: The job is another worker's.

        """
        seen: Counter[tuple[str, ...]] = Counter()
        for output in outputs:
            identity = _identity(output)
            seen[identity] += 1
            if seen[identity] > self._kept[identity]:
                await self._keep(lease, output)
                self._kept[identity] += 1

    async def _keep(self, lease: Lease, output: Output) -> None:
        name = (
            output.filename
            or f"node{output.node_id}_{output.key}.{'txt' if output.kind == 'text' else 'json'}"
        )
        path = (self._assets.blobs.incoming or self._folder) / uuid4().hex
        await _fetch(output, path)
        async with self._assets.blobs.staged_file(path) as staged:
            kept = await self._shelved(output, staged, path, name)
        await self._leases.keep(lease, self._record(output, name, kept))

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
        blob = await patiently(lambda: self._assets.shelve(staged))
        return KeptBytes(blob.hash, content_type, path_of(name))

    def _record(self, output: Output, name: str, kept: KeptBytes | None) -> KeptOutput:
        position, self._position = self._position, self._position + 1
        is_value = output.kind in ("text", "value") and kept is not None
        return KeptOutput(
            position=position,
            node_id=output.node_id,
            class_type=output.class_type,
            key=output.key,
            kind=output.kind,
            name=name,
            bytes=kept,
            value=output.value if is_value else None,
        )


def _identity(output: Output) -> tuple[str, ...]:
    if output.filename is not None:
        return (output.node_id, output.key, output.filename, output.subfolder, output.type)
    return (output.node_id, output.key, json.dumps(output.value, sort_keys=True, default=str))


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


async def _fetch(output: Output, path: Path) -> None:
    """Stream the output into a file of ours; the client checks that it is whole."""
    try:
        if output.kind == "value":
            await asyncio.to_thread(_write, path, json.dumps(output.value))
        else:
            await output.save(path)
    except BaseException:
        await asyncio.to_thread(path.unlink, missing_ok=True)  # cancelled just as it was whole
        raise


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
