"""A job's input assets, brought from the asset store onto the ComfyUI that is going to run it, each once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4
from weakref import WeakValueDictionary

from comfywire.client import Client, Upload
from comfywire.errors import ComfywireError
from comfywire.service.assets.assets import AssetRecord, Assets
from comfywire.service.assets.blobs import BlobGone
from comfywire.service.assets.input_names import FOLDER, input_name
from comfywire.service.assets.references import asset_ids, with_files
from comfywire.service.jobs.leases import patiently

__all__ = ["InputGone", "Inputs"]


class InputGone(ComfywireError):
    """An asset that a job reads is not there any more."""


class Inputs:
    """Puts assets onto ComfyUIs.

    A file is sent to a ComfyUI once and never replaced: ComfyUI truncates a file that it replaces while other
    prompts may read it (server.py, image_upload, 0.3.64), and LoadVideo runs again when the file is newer
    (nodes_video.py, fingerprint_inputs).

    Args:
        assets: Where the bytes are.
        secret: What the names on the ComfyUIs are made with; see :func:`input_stem`.

    """

    def __init__(self, assets: Assets, secret: bytes) -> None:
        self._assets = assets
        self._secret = secret
        self._locks: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()
        self._numbered: dict[tuple[str, str], Upload] = {}

    async def bring(self, client: Client, prompt: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
        """Return ``prompt`` with file names for its assets, all of which are on the ComfyUI then.

        Args:
            client: The ComfyUI's.
            prompt: With ``core/ASSET`` objects.
            folder: For files on their way.

        Raises:
            InputGone: An asset was removed.
            ConnectionFailed, ConnectionLost, ServerError: The server did not take one.

        """
        wanted = asset_ids(prompt)
        if not wanted:
            return prompt
        return with_files(
            prompt, {asset_id: str(await self._brought(client, asset_id, folder)) for asset_id in wanted}
        )

    async def _brought(self, client: Client, asset_id: UUID, folder: Path) -> Upload:
        asset = await patiently(lambda: self._assets.get(asset_id))
        if asset is None:
            raise InputGone(f"asset {asset_id}, which the job reads, was removed")
        wanted = Upload(input_name(self._secret, asset), FOLDER)
        place = (client.url, wanted.filename)
        # Jobs that read the same file and go to the same ComfyUI wait for the first of them to have sent it.
        async with self._locks.setdefault(place, asyncio.Lock()):
            there = self._numbered.get(place, wanted)
            # The name says which bytes they are, and the length that all of them have arrived.
            if await client.uploads.size_of(there) == asset.size_bytes:
                return there
            sent = await self._send(client, asset, wanted, folder)
            # A file that is cut short stays in the way: ComfyUI numbers the one that is sent again.
            if sent != wanted:
                self._numbered[place] = sent
            return sent

    async def _send(self, client: Client, asset: AssetRecord, wanted: Upload, folder: Path) -> Upload:
        path = folder / uuid4().hex
        try:
            with path.open("wb") as file:
                async for chunk in self._assets.read(asset):
                    await asyncio.to_thread(file.write, chunk)
            return await client.upload(path, name=wanted.filename, subfolder=wanted.subfolder)
        except BlobGone as error:
            raise InputGone(f"the bytes of asset {asset.id}, which the job reads, are gone") from error
        finally:
            path.unlink(missing_ok=True)
