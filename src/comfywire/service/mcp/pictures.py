"""Pictures as a model can look at them: small WebP, never larger than it is told."""

from __future__ import annotations

import asyncio
import base64
import io

from comfywire.service.assets.assets import AssetRecord, Assets

__all__ = ["LARGEST_READ", "small_webp", "whole"]

LARGEST_READ = 64 << 20
"""Bytes of a picture that is opened; a larger one is shown as a link alone."""
MOST_PIXELS = 50_000_000
SIDES = (1024, 768, 512, 256)
QUALITY = 80


async def whole(assets: Assets, asset: AssetRecord) -> bytes:
    """Return all bytes of an asset."""
    return b"".join([chunk async for chunk in assets.read(asset)])


async def small_webp(assets: Assets, asset: AssetRecord, most_bytes: int) -> str | None:
    """Return a picture as WebP in base64, of at most ``most_bytes`` before that.

    None for what is too large to be opened, no picture that Pillow reads, or not small enough in any size.
    """
    if most_bytes <= 0 or asset.size_bytes > LARGEST_READ:
        return None
    content = await whole(assets, asset)
    small = await asyncio.to_thread(_small, content, most_bytes)  # a large picture takes tenths of a second
    return None if small is None else base64.b64encode(small).decode()


def _small(content: bytes, most_bytes: int) -> bytes | None:
    from PIL import Image  # noqa: PLC0415 - of the extra, and needed for pictures alone

    try:
        with Image.open(io.BytesIO(content)) as image:
            if image.width * image.height > MOST_PIXELS:
                return None
            picture = image.convert("RGBA" if "A" in image.getbands() else "RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    for side in SIDES:
        picture.thumbnail((side, side))
        written = io.BytesIO()
        picture.save(written, "WEBP", quality=QUALITY)
        if written.tell() <= most_bytes:
            return written.getvalue()
    return None
