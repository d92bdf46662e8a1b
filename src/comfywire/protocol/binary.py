"""Binary frames of ``/ws``: previews and progress texts (comfyui-protocol.md 2.8)."""

from __future__ import annotations

import json
import struct
from typing import Any

from comfywire.errors import UnexpectedReply

from .messages import Message, PreviewImage, ProgressText, Unknown

__all__ = ["parse_binary"]

_FORMATS = {1: "image/jpeg", 2: "image/png"}
_MAGIC = {b"\xff\xd8": "image/jpeg", b"\x89P": "image/png"}


def parse_binary(frame: bytes) -> Message:
    """Return the message in a binary frame; custom nodes' own layouts become :class:`Unknown`.

    Raises:
        UnexpectedReply: The frame is shorter than its type, or than the lengths it names.

    """
    kind, rest = _take_integer(frame)
    match kind:
        # Type 2 is the server's internal number for a picture that is not encoded yet; it is encoded
        # before it is sent (send_image), so on the wire it could only be one of these.
        case 1 | 2:
            return _picture(frame, rest)
        case 3:
            node_id, text = _take_block(rest)
            return ProgressText(_decode(node_id), _decode(text))
        case 4:
            return _picture_with_metadata(frame, rest)
        case _:
            return Unknown(kind, frame)


def _picture(frame: bytes, rest: bytes) -> Message:
    number, image = _take_integer(rest)
    if number not in _FORMATS:
        return Unknown(1, frame)
    return PreviewImage(image, _MAGIC.get(image[:2], _FORMATS[number]))


def _picture_with_metadata(frame: bytes, rest: bytes) -> Message:
    header, image = _take_block(rest)
    try:
        metadata = json.loads(header)
    except (ValueError, RecursionError) as error:
        raise UnexpectedReply(f"a preview whose metadata is not JSON: {header[:80]!r}") from error
    if not isinstance(metadata, dict):
        return Unknown(4, frame)
    media_type = _string(metadata, "image_type") or _MAGIC.get(image[:2], "image/jpeg")
    return PreviewImage(
        image,
        media_type,
        prompt_id=_string(metadata, "prompt_id"),
        node_id=_string(metadata, "node_id"),
        display_node_id=_string(metadata, "display_node_id"),
    )


def _string(metadata: dict[str, Any], key: str) -> str | None:
    value = metadata.get(key)
    return value if isinstance(value, str) else None


def _take_integer(frame: bytes) -> tuple[int, bytes]:
    if len(frame) < 4:
        raise UnexpectedReply(f"a binary message that ends too soon: {frame[:16]!r}")
    return struct.unpack_from(">I", frame)[0], frame[4:]


def _take_block(frame: bytes) -> tuple[bytes, bytes]:
    length, rest = _take_integer(frame)
    if length > len(rest):
        raise UnexpectedReply(f"a binary message that names {length} bytes and has {len(rest)}")
    return rest[:length], rest[length:]


def _decode(raw: bytes) -> str:
    return raw.decode("utf-8", errors="replace")
