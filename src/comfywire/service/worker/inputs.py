"""A job's input assets, brought from the asset store onto the ComfyUI that is going to run it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import UUID, uuid4

from comfywire.client import Client
from comfywire.errors import ComfywireError
from comfywire.service.assets.assets import AssetRecord, Assets
from comfywire.service.assets.blobs import BlobGone
from comfywire.service.assets.references import asset_ids, with_files
from comfywire.service.jobs.leases import patiently

__all__ = ["InputGone", "stage"]

SUBFOLDER = "comfywire"
"""Where in the server's input folder our files go, so that nobody else's are touched."""


class InputGone(ComfywireError):
    """An asset that a job reads is not there any more."""


async def stage(client: Client, assets: Assets, prompt: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
    """Upload the assets that ``prompt`` names, each content once, and return it with file names instead.

    Raises:
        InputGone: An asset was removed.
        ConnectionFailed, ConnectionLost, ServerError: The server did not take one.

    """
    wanted = asset_ids(prompt)
    if not wanted:
        return prompt
    return with_files(
        prompt, {asset_id: await _upload(client, assets, asset_id, folder) for asset_id in wanted}
    )


async def _upload(client: Client, assets: Assets, asset_id: UUID, folder: Path) -> str:
    asset = await patiently(lambda: assets.get(asset_id))
    if asset is None:
        raise InputGone(f"asset {asset_id}, which the job reads, was removed")
    path = folder / uuid4().hex
    try:
        with path.open("wb") as file:
            async for chunk in assets.read(asset):
                await asyncio.to_thread(file.write, chunk)
        # The name is the content's hash: whoever sends it again replaces it by the same bytes.
        return str(await client.upload(path, name=_name(asset), subfolder=SUBFOLDER, overwrite=True))
    except BlobGone as error:
        raise InputGone(f"the bytes of asset {asset_id}, which the job reads, are gone") from error
    finally:
        path.unlink(missing_ok=True)


def _name(asset: AssetRecord) -> str:
    return asset.hash + PurePosixPath(asset.file_path or "").suffix.lower()
