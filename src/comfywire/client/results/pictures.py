"""Pictures as Pillow and NumPy have them, for those who have these."""

from __future__ import annotations

import io
from importlib import import_module
from typing import TYPE_CHECKING, Any

from comfywire.errors import MissingExtra

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

__all__ = ["as_array", "as_image"]


def as_image(content: bytes) -> Image:
    """Return the picture; of an animation, its first frame, with the others behind it.

    Raises:
        MissingExtra: Pillow is not installed.
        ValueError: These bytes are no picture that Pillow reads.

    """
    pillow = _import("PIL.Image", ".image()")
    try:
        picture: Image = pillow.open(io.BytesIO(content))
        picture.load()
    except (OSError, SyntaxError, pillow.DecompressionBombError) as error:
        raise ValueError(f"this is no picture that Pillow reads: {error}") from error
    return picture


def as_array(content: bytes) -> NDArray[Any]:
    """Return the pixels as Pillow has them: height x width, and a third axis where there are channels.

    Raises:
        MissingExtra: Pillow or NumPy is not installed.
        ValueError: These bytes are no picture that Pillow reads.

    """
    numpy = _import("numpy", ".array()")
    picture = as_image(content)
    if picture.mode in ("P", "PA"):  # numbers of a palette are no colours
        picture = picture.convert("RGBA" if "transparency" in picture.info or picture.mode == "PA" else "RGB")
    elif picture.mode == "1":
        picture = picture.convert("L")
    pixels: NDArray[Any] = numpy.array(picture)
    return pixels


def _import(name: str, feature: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise MissingExtra(feature, "server" if name == "numpy" else "show") from error
