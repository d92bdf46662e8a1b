"""Pictures made of pictures, as ComfyUI's own routes make them: smaller ones to look at, and masked ones."""

from __future__ import annotations

from importlib import import_module
from io import BytesIO
from typing import Any

__all__ = ["Unreadable", "masked", "reencoded"]

QUALITY = 90
FORMATS = ("webp", "jpeg")
READ = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "AVIF", "TIFF")
"""What ComfyUI and its nodes save, and people upload."""
MOST_PIXELS = 8192 * 8192
"""Some 400 MB while it is worked on: a file of 80 KB can have so many."""


class Unreadable(Exception):
    """The bytes are no picture that can be read here."""


def reencoded(content: bytes, preview: str | None, channel: str) -> tuple[bytes, str]:
    """Return a picture re-encoded, and its media type (server.py, view_image, 0.3.64).

    Args:
        content: The picture.
        preview: ``webp;90`` or ``jpeg;75``, any other format is webp; None for a whole picture, as PNG.
        channel: ``rgb`` for a picture without alpha, ``a`` for its alpha alone, ``rgba``.

    Raises:
        Unreadable: It is no picture, or Pillow is not installed.

    """
    picture = _opened(content)
    if preview is None:
        return _alpha(picture) if channel == "a" else _opaque(picture)
    encoding, _, rest = preview.partition(";")
    quality = rest.rpartition(";")[2]
    if encoding not in FORMATS or channel == "a":
        encoding = "webp"
    shown = picture.convert("RGB") if encoding == "jpeg" or channel == "rgb" else picture
    return _saved(shown, encoding, quality=int(quality) if quality.isdecimal() else QUALITY)


def masked(original: bytes, mask: bytes) -> bytes:
    """Return a picture as PNG with the alpha channel of another, and the texts that it carried.

    Raises:
        Unreadable: One of them is no picture, they differ in size, or Pillow is not installed.

    """
    picture, painted = _opened(original), _opened(mask)
    texts = import_module("PIL.PngImagePlugin").PngInfo()
    for key, text in getattr(picture, "text", {}).items():
        texts.add_text(key, text)
    whole = picture.convert("RGBA")
    try:
        whole.putalpha(painted.convert("RGBA").getchannel("A"))
    except ValueError as error:
        raise Unreadable from error
    return _saved(whole, "png", pnginfo=texts)[0]


def _opened(content: bytes) -> Any:
    """Return a picture, decoded if it has not too many pixels."""
    try:
        picture = import_module("PIL.Image").open(BytesIO(content), formats=READ)
        if picture.width * picture.height > MOST_PIXELS:
            raise Unreadable  # noqa: TRY301 - as all that is wrong with it
        picture.load()
    except Exception as error:  # decoders raise what they like
        raise Unreadable from error
    return picture


def _opaque(picture: Any) -> tuple[bytes, str]:
    """Transparent pixels keep their colour."""
    if picture.mode != "RGBA":
        return _saved(picture.convert("RGB"), "png")
    return _saved(import_module("PIL.Image").merge("RGB", picture.split()[:3]), "png")


def _alpha(picture: Any) -> tuple[bytes, str]:
    images = import_module("PIL.Image")
    alpha = picture.getchannel("A") if picture.mode == "RGBA" else images.new("L", picture.size, 255)
    black = images.new("RGBA", picture.size)
    black.putalpha(alpha)
    return _saved(black, "png")


def _saved(picture: Any, encoding: str, **options: Any) -> tuple[bytes, str]:
    buffer = BytesIO()
    try:
        picture.save(buffer, format=encoding, **options)
    except (OSError, ValueError) as error:
        raise Unreadable from error
    return buffer.getvalue(), f"image/{encoding}"
