"""The bytes of binary frames (server.py, send_image and send_image_with_metadata, 0.3.64)."""

from __future__ import annotations

import json
import struct
from io import BytesIO
from typing import Any, NamedTuple

from PIL import Image, ImageOps

__all__ = ["ProgressPicture", "preview_frame", "preview_frame_with_metadata", "text_frame"]

PREVIEW_IMAGE = 1
TEXT = 3
PREVIEW_IMAGE_WITH_METADATA = 4
FORMAT_NUMBERS = {"JPEG": 1, "PNG": 2}


class ProgressPicture(NamedTuple):
    """A picture for ``ProgressBar.update_absolute``: its encoding, and the longest side it may have."""

    encoding: str
    image: Image.Image
    max_size: int | None


def preview_frame(preview: ProgressPicture) -> bytes:
    """Encode a preview for a client that did not negotiate metadata."""
    header = struct.pack(">II", PREVIEW_IMAGE, FORMAT_NUMBERS[preview.encoding])
    return header + _encode(preview)


def preview_frame_with_metadata(preview: ProgressPicture, metadata: dict[str, Any]) -> bytes:
    """Encode a preview that names its node and prompt, for a client with ``supports_preview_metadata``."""
    image_type = "image/png" if preview.encoding == "PNG" else "image/jpeg"
    described = json.dumps({**metadata, "image_type": image_type}).encode()
    return struct.pack(">II", PREVIEW_IMAGE_WITH_METADATA, len(described)) + described + _encode(preview)


def text_frame(node_id: str, text: str) -> bytes:
    """Encode a text progress message, which names no prompt (server.py, send_progress_text)."""
    node = node_id.encode()
    return struct.pack(">II", TEXT, len(node)) + node + text.encode()


def _encode(preview: ProgressPicture) -> bytes:
    image = preview.image
    if preview.max_size is not None:
        image = ImageOps.contain(image, (preview.max_size, preview.max_size), Image.Resampling.BILINEAR)
    buffer = BytesIO()
    image.save(buffer, format=preview.encoding, quality=95, compress_level=1)
    return buffer.getvalue()
