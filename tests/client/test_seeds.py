"""Seeds fit what they drive, and the one that was drawn is told."""

from __future__ import annotations

from typing import Any

import pytest

from comfywire import Client, InvalidParameter, sync
from comfywire.server import Server, server_in_thread
from comfywire.workflow.catalogues.packaged import packaged

GREATEST = 2**63 - 1


def seeding(*kinds: str, seed: int = 1) -> dict[str, Any]:
    """Nodes with a seed each, and what shows it."""
    prompt: dict[str, Any] = {}
    for at, kind in enumerate(kinds):
        name = "noise_seed" if kind == "RandomNoise" else "seed"
        prompt[f"{at}"] = {"class_type": kind, "inputs": {name: seed}}
        prompt[f"{at}0"] = {"class_type": "PreviewAny", "inputs": {"source": [f"{at}", 0]}}
    return prompt


def drawn(monkeypatch: pytest.MonkeyPatch, *bits: int) -> None:
    """Let chance have these 64 bits."""
    left = list(bits)
    monkeypatch.setattr("secrets.randbits", lambda _: left.pop(0))


@pytest.mark.parametrize("bits", [0, GREATEST, GREATEST + 1, 2**64 - 1])
@pytest.mark.parametrize("kinds", [("SeedNode",), ("SeedNode", "RandomNoise"), ("RandomNoise", "SeedNode")])
async def test_a_random_seed_is_one_that_all_nodes_take(monkeypatch: pytest.MonkeyPatch, kinds, bits):
    drawn(monkeypatch, bits)
    async with Server(profile="0.33.0") as server, Client(server.url) as client:
        result = await client.run(seeding(*kinds), inputs={"seed": "random"})

    seeds = {
        value for node in result.prompt.values() for name, value in node["inputs"].items() if "seed" in name
    }
    assert seeds == {result.inputs["seed"]}
    assert 0 <= result.inputs["seed"] <= GREATEST


async def test_a_paid_node_has_a_seed_that_it_takes(monkeypatch: pytest.MonkeyPatch):
    drawn(monkeypatch, 2**64 - 1)
    prompt = {
        "1": {
            "class_type": "IdeogramV3",
            "inputs": {"prompt": "a kite", "seed": 5, "rendering_speed": "DEFAULT"},
        },
        "9": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
    }
    types = {"IdeogramV3": packaged().raw["IdeogramV3"]}
    async with Server(object_info=types) as server, Client(server.url) as client:
        result = await client.run(prompt, inputs={"seed": "random"})

        assert result.prompt["1"]["inputs"]["seed"] == result.inputs["seed"] <= 2**31 - 1
        with pytest.raises(InvalidParameter, match=f"{2**31 - 1} is the largest allowed"):
            await client.run(prompt, inputs={"seed": 2**31})


async def test_a_job_says_what_was_set(client: Client):
    result = await client.run(seeding("RandomNoise", seed=7), inputs={"0.noise_seed": "random"})

    assert result.inputs["0.noise_seed"] == result.prompt["0"]["inputs"]["noise_seed"]


async def test_what_ran_is_told_although_the_workflow_changed(client: Client):
    workflow = await client.load(seeding("RandomNoise", seed=7))
    job = await client.submit(workflow)
    workflow["0"].noise_seed = 8

    result = await job.result()

    assert result.prompt["0"]["inputs"]["noise_seed"] == 7
    assert (result.inputs, job.inputs) == ({}, {})
    assert client.attach(job.prompt_id).inputs == {}


def test_the_blocking_client_tells_it_too():
    with server_in_thread() as server, sync.Client(server.url) as client:
        result = client.run(seeding("RandomNoise"), inputs={"seed": "random"})

        assert result.inputs["seed"] == result.prompt["0"]["inputs"]["noise_seed"]
