"""Pictures as /view re-encodes them: ``preview=webp;90`` and ``channel`` (server.py, view_image, 0.3.64)."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from starlette.responses import Response

from comfywire.client.files.views import Unreadable, reencoded
from comfywire.service.assets.assets import AssetRecord, Assets

__all__ = ["LARGEST", "bytes_of", "changed"]

LARGEST = 128 << 20
"""Bytes of a picture that is re-encoded; a larger one is answered with an error."""


async def changed(assets: Assets, asset: AssetRecord, preview: str | None, channel: str) -> Response:
    """Return a picture re-encoded; what is no picture is an error of the server, as there."""
    if asset.size_bytes > LARGEST:
        return Response(status_code=413)
    async with assets.decoding:
        whole = await bytes_of(assets, asset)
        try:
            encoded, kind = await asyncio.to_thread(reencoded, whole, preview, channel)
        except Unreadable:
            return Response(status_code=500)
    headers = {"Content-Disposition": 'inline; filename="preview"', "X-Content-Type-Options": "nosniff"}
    return Response(encoded, media_type=kind, headers=headers)


async def bytes_of(assets: Assets, asset: AssetRecord) -> bytes:
    """Return the bytes of a file that is not larger than :data:`LARGEST`."""
    async with aclosing(assets.read(asset)) as chunks:
        return b"".join([chunk async for chunk in chunks])
