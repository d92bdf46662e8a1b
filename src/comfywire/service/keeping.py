"""A job's outputs, brought from the ComfyUI into the asset store as soon as they are there."""

from __future__ import annotations

import asyncio
import json
import mimetypes
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from comfywire.client import Output

from .assets import Assets
from .leases import KeptOutput, Leases, patiently
from .records import Lease

__all__ = ["Keeper"]

CHUNK_BYTES = 1 << 20
Withhold = Callable[[Mapping[str, Any], Path], Awaitable[str | None]]
"""Given what an output is and where its bytes are: the reason to withhold it, or None."""


class Keeper:
    """Keeps the outputs of one job, each once, in the order in which they are given.

    Args:
        assets: Where they are kept.
        leases: Where they are written down.
        key_id: Whose they are.
        withhold: Asked about each before it is kept.
        folder: For files on their way.

    """

    def __init__(
        self, assets: Assets, leases: Leases, key_id: UUID, *, withhold: Withhold, folder: Path
    ) -> None:
        self._folder = folder
        self._assets = assets
        self._leases = leases
        self._key_id = key_id
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
        path = self._folder / uuid4().hex
        try:
            await _fetch(output, path)
            asset_id = await self._store(lease, output, path, name)
        finally:
            await asyncio.to_thread(path.unlink, missing_ok=True)
        await self._leases.keep(lease, self._record(output, name, asset_id))

    async def _store(self, lease: Lease, output: Output, path: Path, name: str) -> UUID | None:
        content_type = _content_type(name, output.kind)
        facts = {
            "node_id": output.node_id,
            "class_type": output.class_type,
            "key": output.key,
            "kind": output.kind,
            "name": name,
            "content_type": content_type,
            "size_bytes": await asyncio.to_thread(_size, path),
        }
        reason = await self._withhold(facts, path)
        if reason is not None:
            self.withheld.append(f"node {output.node_id}: {name!r} is withheld: {reason}")
            return None
        asset, _ = await patiently(
            lambda: self._assets.create(
                self._key_id,
                _chunks(path),
                content_type=content_type,
                file_path=name,
                tags=("output",),
                job_id=lease.job_id,
            )
        )
        return asset.id

    def _record(self, output: Output, name: str, asset_id: UUID | None) -> KeptOutput:
        position, self._position = self._position, self._position + 1
        is_value = output.kind in ("text", "value") and asset_id is not None
        return KeptOutput(
            position=position,
            node_id=output.node_id,
            class_type=output.class_type,
            key=output.key,
            kind=output.kind,
            name=name,
            asset_id=asset_id,
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
    if output.kind == "value":
        await asyncio.to_thread(path.write_text, json.dumps(output.value), encoding="utf-8")
    else:
        await output.save(path)


def _size(path: Path) -> int:
    return path.stat().st_size


async def _chunks(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
            yield chunk
