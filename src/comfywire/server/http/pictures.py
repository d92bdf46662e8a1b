"""Pictures that /view and /upload/mask make of files (server.py, 0.3.64)."""

from __future__ import annotations

from io import BytesIO
from typing import IO, NamedTuple

from PIL import Image
from PIL.PngImagePlugin import PngInfo

__all__ = ["EncodedPicture", "alpha_only", "merge_mask", "preview_of", "without_alpha"]


class EncodedPicture(NamedTuple):
    """An encoded picture."""

    content: bytes
    content_type: str


def preview_of(path: str, wish: str, channel: str) -> EncodedPicture:
    """Encode a file as ``webp;90`` or ``jpeg;75``; any other wish is webp. Raises for what is no picture."""
    encoding, *_, quality = (*wish.split(";"), wish.rsplit(";", maxsplit=1)[-1])
    if encoding not in ("webp", "jpeg") or "a" in channel:
        encoding = "webp"
    with Image.open(path) as image:
        shown = image.convert("RGB") if encoding == "jpeg" or channel == "rgb" else image
        buffer = BytesIO()
        shown.save(buffer, format=encoding, quality=int(quality) if quality.isdigit() else 90)
    return EncodedPicture(buffer.getvalue(), f"image/{encoding}")


def without_alpha(path: str) -> EncodedPicture:
    """Encode a file as PNG without its alpha channel; transparent pixels keep their colour."""
    with Image.open(path) as image:
        opaque = Image.merge("RGB", image.split()[:3]) if image.mode == "RGBA" else image.convert("RGB")
        return _png(opaque)


def alpha_only(path: str) -> EncodedPicture:
    """Encode a file's alpha channel as a black PNG with nothing else."""
    with Image.open(path) as image:
        alpha = image.getchannel("A") if image.mode == "RGBA" else Image.new("L", image.size, 255)
        black = Image.new("RGBA", image.size)
        black.putalpha(alpha)
        return _png(black)


def merge_mask(original: str, mask: IO[bytes], path: str) -> None:
    """Save the original with the alpha channel of ``mask``, and the texts that it carried."""
    with Image.open(original) as image, Image.open(mask) as painted:
        metadata = PngInfo()
        for key, text in getattr(image, "text", {}).items():
            metadata.add_text(key, text)
        merged = image.convert("RGBA")
        merged.putalpha(painted.convert("RGBA").getchannel("A"))
        merged.save(path, compress_level=4, pnginfo=metadata)


def _png(image: Image.Image) -> EncodedPicture:
    buffer = BytesIO()
    image.save(buffer, format="PNG")
    return EncodedPicture(buffer.getvalue(), "image/png")
