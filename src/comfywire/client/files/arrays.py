"""Arrays of numbers as pictures: what NumPy, and what has its interface, holds, without importing it."""

from __future__ import annotations

import struct
import zlib
from typing import Any, Protocol, runtime_checkable

__all__ = ["Array", "png_of"]

# Channels of a picture -> PNG's colour type.
COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"


@runtime_checkable
class Array(Protocol):
    """What NumPy's arrays and numbers have."""

    shape: tuple[int, ...]
    dtype: Any

    @property
    def __array_interface__(self) -> dict[str, Any]: ...

    def item(self) -> Any:
        """Return the only number of it."""


def png_of(array: Any) -> bytes:
    """Return the picture that ``array`` holds, as a PNG.

    It is (height, width) or (height, width, channels), of whole numbers 0 to 255, or of floats 0 to 1 as
    ComfyUI's own pictures are; a batch of one picture is that picture.

    Raises:
        ValueError: It is of another shape or kind.

    """
    if len(array.shape) == 4 and array.shape[0] == 1:
        array = array[0]
    if len(array.shape) == 2:
        array = array[:, :, None]
    channels = array.shape[2] if len(array.shape) == 3 else 0
    if channels not in COLOUR_TYPES or 0 in array.shape:
        raise ValueError(
            f"an array of shape {tuple(array.shape)} is no picture: (height, width, 3), or 1, 2 or 4 channels"
        )
    rows = _as_bytes(array)
    height, width = array.shape[:2]
    length = width * channels
    raw = b"".join(b"\0" + rows[at : at + length] for at in range(0, height * length, length))
    header = struct.pack(">IIBBBBB", width, height, 8, COLOUR_TYPES[channels], 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(raw, 4)), (b"IEND", b""))
    return PNG_MAGIC + b"".join(_chunk(kind, body) for kind, body in chunks)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _as_bytes(array: Any) -> bytes:
    kind = str(array.dtype)
    if kind == "uint8":
        return bytes(array.tobytes())
    if kind == "bool":
        return bytes((array.astype("uint8") * 255).tobytes())
    if kind.startswith("float"):
        if not bool((array == array).all()):  # noqa: PLR0124 (a number that is none differs from itself)
            raise ValueError("an array with numbers that are none (NaN) is no picture")
        low, high = float(array.min()), float(array.max())
        if low < 0 or high > 1:
            raise ValueError(
                f"an array of {kind} is a picture if it is from 0 to 1; this is {low:g} to {high:g}"
            )
        return bytes((array * 255).round().astype("uint8").tobytes())
    low, high = int(array.min()), int(array.max())
    if low < 0 or high > 255:
        raise ValueError(f"a picture of {kind} goes from 0 to 255; this one from {low} to {high}")
    return bytes(array.astype("uint8").tobytes())
