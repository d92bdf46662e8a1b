"""Thumbnails: a small WebP of a picture, made when somebody first asks for it, and kept as long as it.

Pillow reads only the formats that ComfyUI saves and browsers show, and nothing above the bounds below: the
bytes of outputs and uploads are other people's.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from PIL import Image, ImageOps, UnidentifiedImageError

from comfywire.errors import ComfywireError
from comfywire.service.assets.assets import Assets
from comfywire.service.assets.records import AssetRecord
from comfywire.service.sql import queries

__all__ = ["NoThumbnail", "Thumbnails"]

SQL = queries("thumbnails")
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "AVIF")
MOST_BYTES = 128 << 20
MOST_PIXELS = 89_000_000
QUALITY = 82
UNREADABLE = (
    OSError,
    ValueError,
    SyntaxError,  # what Pillow raises for some broken PNGs
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)


class NoThumbnail(ComfywireError):
    """There is no small picture of this asset: it is none, or too large to be read here."""

    code = "no_thumbnail"
    http_status = 415


@dataclass(frozen=True, slots=True)
class _Small:
    content: bytes
    width: int
    height: int


class Thumbnails:
    """The thumbnails of a service's assets."""

    def __init__(self, assets: Assets) -> None:
        self._assets = assets

    async def of(self, asset: AssetRecord, size: int) -> AssetRecord:
        """Return the thumbnail of ``asset`` as if it were one itself, for who sends its bytes.

        Raises:
            NoThumbnail: The asset is no picture, or none that is made small.
            BlobGone: The store does not have its bytes.

        """
        if not asset.content_type.startswith("image/") or asset.size_bytes > MOST_BYTES:
            raise NoThumbnail(
                f"asset {asset.id} is {asset.content_type} of {asset.size_bytes} bytes, and thumbnails are "
                f"made of pictures up to {MOST_BYTES >> 20} MiB: ask for it without ?thumbnail"
            )
        async with self._assets.decoding:
            kept = await self._assets.database.one(SQL["get"], hash=asset.hash, size=size)
            if kept is None:
                kept = await self._made(asset, size)
        stem = PurePosixPath((asset.file_path or "").replace("\\", "/")).stem or str(asset.id)
        return replace(
            asset,
            hash=kept["thumbnail"],
            size_bytes=kept["size_bytes"],
            content_type="image/webp",
            file_path=f"{stem}_{size}.webp",
        )

    async def _made(self, asset: AssetRecord, size: int) -> dict[str, Any]:
        content = b"".join([chunk async for chunk in self._assets.read(asset)])
        try:
            small = await asyncio.to_thread(_small, content, size)
        except UNREADABLE as error:
            raise NoThumbnail(
                f"asset {asset.id} is said to be {asset.content_type}, and cannot be read as a picture: "
                "ask for it without ?thumbnail"
            ) from error
        async with self._assets.staged(_once(small.content)) as staged:
            blob = await self._assets.shelve(staged)
        await self._assets.database.do(
            SQL["insert"],
            hash=asset.hash,
            size=size,
            thumbnail=blob.hash,
            width=small.width,
            height=small.height,
        )
        return {"thumbnail": blob.hash, "size_bytes": blob.size_bytes}


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


def _small(content: bytes, size: int) -> _Small:
    with Image.open(io.BytesIO(content), formats=FORMATS) as picture:
        width, height = picture.size
        if width * height > MOST_PIXELS:
            raise UnidentifiedImageError(f"{width} x {height} pixels")
        picture.draft("RGB", (size, size))  # a JPEG is read at an eighth, where that is enough
        upright = ImageOps.exif_transpose(picture)
        if upright.mode not in ("RGB", "RGBA"):
            has_alpha = "A" in upright.getbands() or "transparency" in upright.info
            upright = upright.convert("RGBA" if has_alpha else "RGB")
        # exif_transpose may turn the picture on its side, and the page wants the sides that it shows.
        turned = (upright.width < upright.height) != (width < height)
        upright.thumbnail((size, size))
        written = io.BytesIO()
        upright.save(written, "WEBP", quality=QUALITY, method=4)
    return _Small(written.getvalue(), *((height, width) if turned else (width, height)))
