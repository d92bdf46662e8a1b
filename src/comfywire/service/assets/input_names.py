"""The names of input assets on a ComfyUI's disk, which nobody can guess. Pure."""

from __future__ import annotations

import hashlib
import hmac
import re
from pathlib import PurePosixPath
from uuid import UUID

from comfywire.service.assets.file_names import FileName
from comfywire.service.assets.records import AssetRecord

__all__ = ["FOLDER", "input_name", "input_stem"]

FOLDER = "comfywire"
"""Below the ComfyUI's input folder; nobody else's files are touched there."""
SUFFIX = re.compile(r"\.[a-z0-9]{1,10}")
"""What of a caller's file name may reach a ComfyUI's disk: loaders tell formats by it."""


def input_stem(secret: bytes, key_id: UUID, digest: str) -> str:
    """Return the stem of the file that holds the bytes of this hash for one key: always the same.

    Every key has a file of its own, and knowing the bytes does not tell its name.
    """
    return hmac.new(secret, key_id.bytes + bytes.fromhex(digest), hashlib.sha256).hexdigest()


def input_name(secret: bytes, asset: AssetRecord) -> str:
    """Return the name of the file for ``asset``: :func:`input_stem`, and the suffix of the caller's name."""
    suffix = PurePosixPath(FileName.of(asset.file_path or "").path).suffix.lower()
    stem = input_stem(secret, asset.key_id, asset.hash)
    return f"{stem}{suffix}" if SUFFIX.fullmatch(suffix) else stem
