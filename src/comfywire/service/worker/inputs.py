"""Brings a job's input assets from the asset store onto the ComfyUI that will run the job, each once."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4
from weakref import WeakValueDictionary

from comfywire.client import Client, Upload
from comfywire.errors import ComfywireError
from comfywire.service.assets.assets import AssetRecord, Assets
from comfywire.service.assets.blobs import BlobGone
from comfywire.service.assets.cached_pictures import cache_id, is_reader
from comfywire.service.assets.input_names import FOLDER, input_name, input_stem
from comfywire.service.assets.references import asset_ids, with_files
from comfywire.service.database.outage import patiently

__all__ = ["InputGone", "Inputs"]


class InputGone(ComfywireError):
    """An asset that a job reads was removed, or the store has lost its bytes."""


class Inputs:
    """Puts assets onto ComfyUIs.

    A file is sent to a ComfyUI once and never replaced: ComfyUI truncates a file that it replaces while other
    prompts may read it (server.py, image_upload, 0.3.64), and LoadVideo runs again when the file is newer
    (nodes_video.py, fingerprint_inputs).

    Args:
        assets: The store that has the bytes.
        secret: Makes the files' names on the ComfyUIs impossible to guess; see :func:`input_stem`.

    """

    def __init__(self, assets: Assets, secret: bytes) -> None:
        self._assets = assets
        self._secret = secret
        self._locks: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()
        self._numbered: dict[tuple[str, str], Upload] = {}

    async def bring(self, client: Client, prompt: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
        """Put every asset of ``prompt`` onto the ComfyUI; return the prompt with the files' names there.

        Args:
            client: The client of the ComfyUI.
            prompt: The graph, with ``core/ASSET`` objects.
            folder: For files between the store and the ComfyUI.

        Raises:
            InputGone: An asset was removed, or its bytes are gone.
            ConnectionFailed, ConnectionLost, ServerError: The ComfyUI did not take a file.

        """
        if not asset_ids(prompt):
            return prompt
        readers = {node_id: node for node_id, node in prompt.items() if is_reader(node)}
        others = {node_id: node for node_id, node in prompt.items() if node_id not in readers}
        files = {one: str(await self._brought(client, one, folder)) for one in asset_ids(others)}
        cached = {one: await self._cached(client, one, folder) for one in asset_ids(readers)}
        brought = with_files(others, files) | with_files(readers, cached)
        return {node_id: brought[node_id] for node_id in prompt}

    async def _cached(self, client: Client, asset_id: UUID, folder: Path) -> str:
        """Put a picture into the memory of a node pack, and return its id there."""
        asset = await self._asset(asset_id)
        name = cache_id(input_stem(self._secret, asset.key_id, asset.hash), time.time())
        async with self._written(asset, folder) as path:
            with path.open("rb") as file:
                await client.tooling.put_picture(file, name)
        return name

    async def _asset(self, asset_id: UUID) -> AssetRecord:
        asset = await patiently(lambda: self._assets.get(asset_id))
        if asset is None:
            raise InputGone(f"asset {asset_id}, which the job reads, was removed")
        return asset

    async def _brought(self, client: Client, asset_id: UUID, folder: Path) -> Upload:
        asset = await self._asset(asset_id)
        wanted = Upload(input_name(self._secret, asset), FOLDER)
        place = (client.url, wanted.filename)
        # Of several jobs that read the same asset on the same ComfyUI, the first sends the file; the others
        # wait here, and find the file there.
        async with self._locks.setdefault(place, asyncio.Lock()):
            there = self._numbered.get(place, wanted)
            # The name comes from the bytes' hash, so a file of that name and of the full length is the asset.
            if await client.uploads.size_of(there) == asset.size_bytes:
                return there
            sent = await self._send(client, asset, wanted, folder)
            # A file that was cut short by a broken upload keeps the name: ComfyUI gives the file that is sent
            # again a number, and later jobs must look under that.
            if sent != wanted:
                self._numbered[place] = sent
            return sent

    async def _send(self, client: Client, asset: AssetRecord, wanted: Upload, folder: Path) -> Upload:
        async with self._written(asset, folder) as path:
            return await client.upload(path, name=wanted.filename, subfolder=wanted.subfolder)

    @contextlib.asynccontextmanager
    async def _written(self, asset: AssetRecord, folder: Path) -> AsyncIterator[Path]:
        """Have the bytes of an asset in a file, inside this context."""
        path = folder / uuid4().hex
        try:
            with path.open("wb") as file:
                async for chunk in self._assets.read(asset):
                    await asyncio.to_thread(file.write, chunk)
            yield path
        except BlobGone as error:
            raise InputGone(f"the bytes of asset {asset.id}, which the job reads, are gone") from error
        finally:
            path.unlink(missing_ok=True)
