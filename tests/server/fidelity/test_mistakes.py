"""What real servers answered to 636 prompts, most of them wrong, and what ours does (workflow/mistakes).

Classes that ours lacks are stand-ins made from the recorded object_info, so that the validator is compared on
all of them. The order of errors means nothing: ComfyUI walks sets.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.server.wire import Wire

from comfywire.server import Server
from comfywire.server.folders import MODEL_FOLDERS
from comfywire.server.nodes.catalogue import built_in
from comfywire.server.nodes.stubbed import stand_ins

FOLDER = Path(__file__).parents[2] / "workflow" / "mistakes"
VERSIONS = ["0.3.64", "0.33.0"]
# A stand-in knows what object_info tells: neither a class's own VALIDATE_INPUTS nor inputs that grow; and no
# class of ours replaces another. A cycle is named from wherever the walk over the outputs, a set, begins.
UNKNOWABLE = (
    "pack_",
    "newer_",
    "class_replaced_",
    "missing_SaveVideo_format",
    "missing_all_SaveVideo",
    "video_null",
    "latent_missing",
    "cycle_under_two_outputs",
    "missing_LoadImageMask_image",  # 0.33.0's inherits its VALIDATE_INPUTS, and the message names the class
    "missing_all_LoadImageMask",
)


def read(name: str) -> bytes:
    return gzip.decompress((FOLDER / name).read_bytes())


def rows(version: str) -> list[dict[str, Any]]:
    unstable = json.loads((FOLDER / f"unstable-{version}.json").read_text())
    recorded = map(json.loads, read(f"{version}.jsonl.gz").splitlines())
    return [row for row in recorded if row["name"] not in unstable and not row["name"].startswith(UNKNOWABLE)]


def fill(server: Server) -> None:
    """What stood in the recorded servers' folders."""
    picture = Image.new("RGB", (8, 8))
    for path in ("input/example.png", "input/sub/inside.png", "output/made_00001_.png"):
        (server.folder / path).parent.mkdir(parents=True, exist_ok=True)
        picture.save(server.folder / path)
    for path in ("input/notes.txt", "input/clip.mp4", "input/tone.wav", "input/one.latent"):
        (server.folder / path).touch()
    checkpoint = server.folder / "models/checkpoints/tiny.safetensors"
    for folder in MODEL_FOLDERS:  # empty ones, else placeholders were offered
        (server.folder / "models" / folder).mkdir(parents=True)
    checkpoint.touch()


@pytest.fixture(params=VERSIONS)
async def recorded(request) -> AsyncIterator[tuple[str, Wire]]:
    version = request.param
    classes = json.loads(read(f"object_info-{version}.json.gz"))
    missing = {
        name: entry for name, entry in classes.items() if name not in built_in(is_new=version == "0.33.0")
    }
    async with Server(nodes=stand_ins(missing), profile=version) as server, Wire(server.url) as wire:
        fill(server)
        server.faults.nodes.hold(times=None)  # nothing has to run
        yield version, wire


def told(status: int, reply: Any) -> Any:
    if not isinstance(reply, dict):
        return status
    error = reply.get("error") or {"details": ""}
    errors = [
        (node_id, node["class_type"], one["type"], one["message"], one["details"])
        for node_id, node in reply["node_errors"].items()
        for one in node["errors"]
    ]
    details = sorted(error["details"].split("\n"))
    return status, error.get("type"), error.get("message"), details, sorted(errors)


async def ask(wire: Wire, row: dict[str, Any]) -> Any:
    body = {key: row[key] for key in ("prompt", "partial_execution_targets") if key in row}
    async with wire.session.post("/prompt", data=json.dumps(body)) as reply:
        is_json = "json" in reply.content_type
        return told(reply.status, json.loads(await reply.text()) if is_json else None)


async def test_the_validator_gives_the_recorded_answers(recorded, caplog):
    caplog.set_level("CRITICAL", logger="aiohttp.server")
    version, wire = recorded

    answers = {
        row["name"]: (await ask(wire, row), told(row["status"], row["reply"])) for row in rows(version)
    }

    assert len(answers) > 550
    assert {name: pair for name, pair in answers.items() if pair[0] != pair[1]} == {}
