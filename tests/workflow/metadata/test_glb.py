import io
import json
import struct

import pytest

from comfywire.workflow.metadata.bounded import BoundedFile, MalformedFile
from comfywire.workflow.metadata.glb import read_glb


def read(scene: bytes, *, kind: bytes = b"JSON", length: int | None = None) -> list[tuple[str, str]]:
    size = len(scene) if length is None else length
    content = struct.pack("<4sII", b"glTF", 2, 0) + struct.pack("<I4s", size, kind) + scene
    return list(read_glb(BoundedFile(io.BytesIO(content))))


def test_the_extras_of_the_asset_are_found():
    scene = {"asset": {"version": "2.0", "extras": {"prompt": "{}", "workflow": {"nodes": []}, "odd": 5}}}

    assert read(json.dumps(scene).encode()) == [("prompt", "{}"), ("workflow", '{"nodes": []}')]


@pytest.mark.parametrize("scene", [b"{}", b"[]", b'{"asset": 5}', b'{"asset": {"extras": []}}'])
def test_a_scene_without_extras_has_no_texts(scene):
    assert read(scene) == []


@pytest.mark.parametrize(
    ("scene", "kind", "length"),
    [
        pytest.param(b"{}", b"BIN\0", None, id="another-chunk-first"),
        pytest.param(b"{}", b"JSON", 100, id="a-chunk-that-breaks-off"),
        pytest.param(b"{]", b"JSON", None, id="no-json"),
        pytest.param(b"[" * 100_000, b"JSON", None, id="nesting-beyond-reason"),
    ],
)
def test_a_damaged_file_is_refused(scene, kind, length):
    with pytest.raises(MalformedFile):
        read(scene, kind=kind, length=length)
