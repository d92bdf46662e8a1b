"""Pictures as a model can look at them: small WebP, never larger than it is told."""

from __future__ import annotations

import io

__all__ = ["LARGEST_READ", "small_webp"]

LARGEST_READ = 64 << 20
"""Bytes of a picture that is opened; a larger one is shown as a link alone."""
MOST_PIXELS = 50_000_000
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "AVIF")
"""What ComfyUI saves and its nodes read; Pillow's other decoders are not let near other people's bytes."""
SIDES = (1024, 768, 512, 256)
QUALITY = 80


def small_webp(content: bytes, most_bytes: int) -> bytes | None:
    """Return a picture as WebP of at most ``most_bytes``; a large one takes tenths of a second.

    None for what has too many pixels, is no picture that Pillow reads, or not small enough in any size.
    """
    from PIL import Image  # noqa: PLC0415 - of the extra, and needed for pictures alone

    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
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
