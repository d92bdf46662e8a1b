"""Every core node's entry is the recorded one, but for the lists of files and models."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from tests.server.wire import Wire

from comfywire.server import Server
from comfywire.server.nodes.catalogue import built_in

GOLDEN = Path(__file__).parents[4] / "shared" / "golden"
FILES = {"LoadImage": "image", "LoadImageMask": "image", "CheckpointLoaderSimple": "ckpt_name"}
OF_THE_TEST_PACK = {name for name in built_in() if name.startswith(("Test", "Stub"))}


@pytest.mark.parametrize("version", ["0.3.64", "0.33.0"])
async def test_object_info_is_the_recorded_one(version):
    path = GOLDEN / version / "object_info.json.gz"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    recorded: dict[str, Any] = json.loads(gzip.decompress(path.read_bytes()))

    async with Server(profile=version) as server, Wire(server.url) as wire:
        _, ours = await wire.get("/object_info")
        _, one = await wire.get("/object_info/KSampler")
        _, none = await wire.get("/object_info/NoSuchNode")

    for node, field in FILES.items():
        for entries in (ours, recorded):
            entries[node]["input"]["required"][field][0] = []
    core = {name: entry for name, entry in ours.items() if name not in OF_THE_TEST_PACK}
    assert core == {name: recorded[name] for name in core}
    assert one == {"KSampler": ours["KSampler"]}
    assert none == {}
