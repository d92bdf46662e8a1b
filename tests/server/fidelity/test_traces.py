from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.server.fidelity import replay as replaying
from tests.server.fidelity.replay import Replay, differences, load, warm_up
from tests.server.wire import Wire

from comfywire.server import Server
from comfywire.server.nodes.catalogue import built_in

TRACES = sorted((Path(__file__).parents[2] / "transcripts").glob("*/*.jsonl"))


def missing(records: list[dict[str, Any]]) -> list[str]:
    """The node types that the trace runs and that we have not."""
    prompts = [
        record["request"]["json"]["prompt"]
        for record in records
        if record["kind"] == "http"
        and record.get("response", {}).get("status") == 200
        and "prompt" in (record["request"].get("json") or {})
    ]
    types = {node["class_type"] for prompt in prompts for node in prompt.values()}
    return sorted(types - set(built_in(is_new=True)))


@pytest.mark.parametrize("path", TRACES, ids=lambda path: f"{path.parent.name}-{path.stem}")
async def test_a_recorded_conversation_goes_the_same_way_here(path: Path, tmp_path: Path):
    records = load(path)
    if lacking := missing(records):
        pytest.skip(f"the test server has no {', '.join(lacking)}")
    checkpoint = tmp_path / "models/checkpoints/random-sd15.safetensors"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.touch()
    replaying.UPLOADS[0] = 0
    profile: Any = path.parent.name

    async with (
        Server(profile=profile, folder=tmp_path, step_time=0.02) as server,
        Wire(server.url) as wire,
    ):
        if prepared := warm_up(records):
            await server.until_done(await wire.submit(prepared))
        replay = Replay(server, wire, records)
        await replay.run()

    if found := differences(records, replay):
        pytest.fail("\n".join(found), pytrace=False)
