"""The catalogue that ships with the package: the node types of a ComfyUI 0.3.64 without node packs or models.

It serves where no server is known. A server's own ``/object_info`` is better: its combos list the models and
files that are there, and it has the node types of its version and its node packs.
"""

from __future__ import annotations

import gzip
import json
from functools import cache
from importlib import resources

from comfywire.workflow.object_info import ObjectInfo

__all__ = ["VERSION", "packaged"]

VERSION = "0.3.64"


@cache
def packaged() -> ObjectInfo:
    """Return the catalogue that ships with the package; it is read when it is first asked for."""
    name = f"object_info_{VERSION.replace('.', '_')}.json.gz"
    packed = resources.files("comfywire.workflow").joinpath(name).read_bytes()
    return ObjectInfo(json.loads(gzip.decompress(packed)), is_packaged=True)
