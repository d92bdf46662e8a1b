"""Assets as a model can look at them."""

from __future__ import annotations

import asyncio
import base64

from comfywire.agent.pictures import LARGEST_READ
from comfywire.agent.pictures import small_webp as small
from comfywire.service.assets.assets import AssetRecord, Assets

__all__ = ["small_webp", "whole"]


async def whole(assets: Assets, asset: AssetRecord) -> bytes:
    """Return all bytes of an asset."""
    return b"".join([chunk async for chunk in assets.read(asset)])


async def small_webp(assets: Assets, asset: AssetRecord, most_bytes: int) -> str | None:
    """Return a picture as WebP in base64, of at most ``most_bytes`` before that.

    None for what is too large to be opened, no picture that Pillow reads, or not small enough in any size.
    """
    if most_bytes <= 0 or asset.size_bytes > LARGEST_READ:
        return None
    async with assets.decoding:
        made = await asyncio.to_thread(small, await whole(assets, asset), most_bytes)
    return None if made is None else base64.b64encode(made).decode()
