"""Every core node's entry is the recorded one, but for the lists of files and models."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from tests.server.wire import Wire

from comfywire.server import Server
from comfywire.server.nodes import declared
from comfywire.server.nodes.catalogue import built_in

GOLDEN = Path(__file__).parents[4] / "shared" / "golden"  # all classes; not part of the repository
MISTAKES = Path(__file__).parents[2] / "workflow" / "mistakes"  # the classes that were used there
PACK = ("Test", "Stub")


def recorded(path: Path) -> dict[str, Any]:
    if not path.exists():
        pytest.skip(f"{path} is not here")
    entries: dict[str, Any] = json.loads(gzip.decompress(path.read_bytes()))
    return entries


def without_files(entries: dict[str, Any], version: str) -> dict[str, Any]:
    """The entries without the lists of files, which are marked in what we have recorded."""
    marks = declared._entries(is_new=version == "0.33.0")
    for name in entries.keys() & marks.keys():
        for section, specs in marks[name]["input"].items():
            for field, (kind, *options) in specs.items() if section != "hidden" else ():
                if "$files" in kind:
                    entries[name]["input"][section][field][0] = []
                elif options and "$files" in options[0].get("options", ()):
                    entries[name]["input"][section][field][1]["options"] = []
    return entries


@pytest.mark.parametrize("version", ["0.3.64", "0.33.0"])
@pytest.mark.parametrize("folder", [GOLDEN, MISTAKES], ids=["all-classes", "recorded-here"])
async def test_object_info_is_the_recorded_one(version, folder):
    name = f"{version}/object_info.json.gz" if folder is GOLDEN else f"object_info-{version}.json.gz"
    theirs = without_files(recorded(folder / name), version)

    async with Server(profile=version) as server, Wire(server.url) as wire:
        _, answer = await wire.get("/object_info")
    ours = without_files(answer, version)

    core = {each for each in built_in(is_new=version == "0.33.0") if not each.startswith(PACK)}
    shared = core & set(theirs)
    assert len(shared) >= (len(core) if folder is GOLDEN else 18)
    assert {name: ours[name] for name in shared} == {name: theirs[name] for name in shared}


async def test_one_class_is_described_alone_and_an_unknown_one_not_at_all():
    async with Server() as server, Wire(server.url) as wire:
        _, entries = await wire.get("/object_info")

        assert await wire.get("/object_info/KSampler") == (200, {"KSampler": entries["KSampler"]})
        assert await wire.get("/object_info/NoSuchNode") == (200, {})
