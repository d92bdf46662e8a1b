"""Masks as ComfyUI's /upload/mask reads them: by their alpha channel, transparent where masked."""

from __future__ import annotations

import struct
import zlib
from importlib import import_module
from io import BytesIO
from typing import Any

from comfywire.errors import InvalidParameter, MissingExtra

__all__ = ["InvalidMask", "size_of_picture", "with_alpha"]

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
END = b"\0\0\0\0IEND\xae\x42\x60\x82"
ALPHA_TYPES = (4, 6)
"""PNG's colour types that have an alpha channel."""
Size = tuple[int, int]


class InvalidMask(InvalidParameter, ValueError):
    """A mask that would mask something else than was meant, or nothing."""


def with_alpha(mask: bytes, original: Size | None, *, token: str) -> bytes:
    """Return ``mask`` as a PNG with an alpha channel.

    A picture without one is read by its brightness: white is masked. The bytes are like no others, by
    ``token``: where the server has a file of these very bytes under this name it returns that, the mask
    itself, instead of the masked picture (server.py, image_upload, 0.3.64).

    Args:
        mask: The bytes of a picture.
        original: The width and height of what it is for; None where nobody knows.
        token: Letters and digits that no other mask has.

    Raises:
        InvalidMask: It is no picture, or of another size.
        MissingExtra: It has to be converted, and Pillow is not installed.

    """
    if not _is_png_with_alpha(mask):
        mask = _converted(mask)
    width, height = struct.unpack(">II", mask[16:24])
    if original is not None and original != (width, height):
        raise InvalidMask(
            f"the mask is {width} x {height} pixels, and what it is for {original[0]} x {original[1]}: "
            "give one of the same size"
        )
    body = b"comfywire\0" + token.encode()
    note = struct.pack(">I", len(body)) + b"tEXt" + body + struct.pack(">I", zlib.crc32(b"tEXt" + body))
    at = mask.rfind(END)
    return mask[:at] + note + mask[at:] if at > 0 else mask


def size_of_picture(content: bytes) -> Size | None:
    """Return width and height; None where it is no PNG and Pillow is not installed, or cannot read it."""
    if content.startswith(PNG_MAGIC) and len(content) >= 24:
        width, height = struct.unpack(">II", content[16:24])
        return width, height
    try:
        with import_module("PIL.Image").open(BytesIO(content)) as picture:
            size: Size = picture.size
            return size
    except (ImportError, OSError, SyntaxError, ValueError):
        return None


def _is_png_with_alpha(content: bytes) -> bool:
    """Whether it has an alpha channel, or a colour that is transparent: both are alpha to the server."""
    if not content.startswith(PNG_MAGIC) or len(content) < 33:
        return False
    return content[25] in ALPHA_TYPES or b"tRNS" in content[33 : content.find(b"IDAT")]


def _converted(mask: bytes) -> bytes:
    try:
        pillow: Any = import_module("PIL.Image")
    except ModuleNotFoundError as error:
        raise MissingExtra("a mask that is no PNG with an alpha channel", "show") from error
    try:
        picture = pillow.open(BytesIO(mask))
        picture.load()
    except (OSError, SyntaxError, ValueError, pillow.DecompressionBombError) as error:
        raise InvalidMask(f"the mask is no picture that Pillow reads: {error}") from error
    has_alpha = picture.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info
    made = picture.convert("RGBA") if has_alpha else _by_brightness(picture, pillow)
    encoded = BytesIO()
    made.save(encoded, "PNG")
    return encoded.getvalue()


def _by_brightness(picture: Any, pillow: Any) -> Any:
    if picture.mode in ("I;16", "I", "F"):  # more than 8 bits: up to 1, 255 or 65535
        high = picture.getextrema()[1]
        top = next((limit for limit in (1, 255, 65535) if high <= limit), high)
        picture = picture.convert("F").point(lambda value: value * (255 / top))
    bright = picture.convert("L")
    made = pillow.new("RGBA", picture.size, "black")
    made.putalpha(bright.point([255 - level for level in range(256)]))
    return made
