"""Masks as ComfyUI's /upload/mask reads them: by their alpha channel, transparent where masked."""

from __future__ import annotations

import struct
import zlib
from importlib import import_module
from io import BytesIO
from typing import Any

from comfywire.errors import InvalidMask, MissingExtra

__all__ = ["size_of_picture", "with_alpha"]

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
END = b"\0\0\0\0IEND\xae\x42\x60\x82"
OPAQUE = 255
ALPHA_TYPES = (4, 6)
"""PNG's colour types that have an alpha channel."""
Size = tuple[int, int]


def with_alpha(mask: bytes, original: Size | None, *, token: str) -> bytes:
    """Return ``mask`` as a PNG with an alpha channel.

    A picture without one is read by its brightness: white is masked. So is one whose alpha channel is opaque
    everywhere, as drawing programs save black and white: it would mask nothing.

    The bytes are like no others, by ``token``: where the server has a file of these very bytes under this
    name it returns that, the mask itself, instead of the masked picture (server.py, image_upload, 0.3.64).

    Args:
        mask: The bytes of a picture.
        original: The width and height of what it is for; None where nobody knows.
        token: Letters and digits that no other mask has.

    Raises:
        InvalidMask: It is no picture, of another size, or too dark to mask anything without being black.
        MissingExtra: It has to be converted, and Pillow is not installed.

    """
    mask = _with_some_alpha(mask)
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


def _with_some_alpha(mask: bytes) -> bytes:
    """Return a PNG with alpha: the very bytes where they are one that masks something.

    Without Pillow nobody can look into an alpha channel; it is believed.
    """
    has_alpha = _is_png_with_alpha(mask)
    try:
        pillow: Any = import_module("PIL.Image")
    except ModuleNotFoundError as error:
        if has_alpha:
            return mask
        raise MissingExtra("a mask that is no PNG with an alpha channel", "show") from error
    picture = _loaded(mask, pillow)
    alpha = _alpha_of(picture)
    if alpha is None:
        made = _by_brightness(picture, pillow)
    elif has_alpha:
        return mask
    else:
        made = alpha
    encoded = BytesIO()
    made.save(encoded, "PNG")
    return encoded.getvalue()


def _loaded(mask: bytes, pillow: Any) -> Any:
    try:
        picture = pillow.open(BytesIO(mask))
        picture.load()
    except (OSError, SyntaxError, ValueError, pillow.DecompressionBombError) as error:
        raise InvalidMask(f"the mask is no picture that Pillow reads: {error}") from error
    return picture


def _alpha_of(picture: Any) -> Any:
    """Return it as RGBA; None where it has no alpha channel, or one that is opaque everywhere."""
    if picture.mode not in ("RGBA", "LA", "PA", "La", "RGBa") and "transparency" not in picture.info:
        return None
    made = picture.convert("RGBA")
    return None if made.getchannel("A").getextrema()[0] == OPAQUE else made


def _by_brightness(picture: Any, pillow: Any) -> Any:
    if picture.mode in ("PA", "La", "RGBa"):
        picture = picture.convert("RGBA")
    deep = picture.mode.startswith(("I", "F"))
    scaled = (
        picture.convert("F").point(lambda value: value * (OPAQUE / _white_of(picture))) if deep else picture
    )
    bright = scaled.convert("L")
    if deep and not bright.getextrema()[1] and (high := picture.getextrema()[1]) > 0:
        raise InvalidMask(
            f"the mask would mask nothing: its brightest point is {high:g} of {_white_of(picture)}; "
            "make white what is masked"
        )
    made = pillow.new("RGBA", picture.size, "black")
    made.putalpha(bright.point([OPAQUE - level for level in range(256)]))
    return made


def _white_of(picture: Any) -> float:
    """Return what is white in a picture of more than 8 bits.

    That is 65535 with 16 bits, and in every such PNG. Others do not say: white is up to 1, 255 or 65535.
    """
    if picture.mode.startswith("I;16") or picture.format == "PNG":
        return 65535
    high: float = picture.getextrema()[1]
    return next((limit for limit in (1, OPAQUE, 65535) if high <= limit), high)
