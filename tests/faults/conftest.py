"""A server whose faults are ours to script, and a client on it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from comfywire import Client, Job, Result
from comfywire.client.patience import Patience
from comfywire.server import Server

Graph = dict[str, Any]


def picture(color: int = 1, *, size: int = 8) -> Graph:
    """One picture in one colour, saved: what most tests run."""
    inputs = {"width": size, "height": size, "batch_size": 1, "color": color}
    return {
        "1": {"class_type": "EmptyImage", "inputs": inputs},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": f"c{color}"}},
    }


def sampled(seed: int, *, steps: int = 4) -> Graph:
    """The usual text-to-image graph, with previews."""
    return {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "placeholder.safetensors"}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "a hill", "clip": ["1", 1]}},
        "3": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
        "4": {
            "class_type": "KSampler",
            "inputs": {
                "model": ["1", 0],
                "positive": ["2", 0],
                "negative": ["2", 0],
                "latent_image": ["3", 0],
                "seed": seed,
                "steps": steps,
                "cfg": 7.0,
                "sampler_name": "euler",
                "scheduler": "normal",
                "denoise": 1.0,
            },
        },
        "5": {"class_type": "VAEDecode", "inputs": {"samples": ["4", 0], "vae": ["1", 2]}},
        "6": {"class_type": "SaveImageWebsocket", "inputs": {"images": ["5", 0]}},
        "7": {"class_type": "SaveImage", "inputs": {"images": ["5", 0], "filename_prefix": "s"}},
    }


HASTE = Patience(owed_word=0.4, arrival=0.4, reply=1.0)


def names(result: Result) -> list[str | None]:
    return [output.filename for output in result.outputs]


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server() as running:
        yield running


@pytest.fixture
async def newer() -> AsyncIterator[Server]:
    async with Server(profile="0.33.0") as running:
        yield running


@pytest.fixture
async def client(server: Server) -> AsyncIterator[Client]:
    async with Client(server.url) as opened:
        yield opened


@pytest.fixture
async def hasty(server: Server) -> AsyncIterator[Client]:
    """A client that waits a fifth of the time: where what comes of it is asked, and not when."""
    client = Client(server.url)
    client._patience = HASTE
    async with client:
        yield client


@asynccontextmanager
async def held(server: Server, client: Client, graph: Graph | None = None) -> AsyncIterator[Job]:
    """A job that is held before its last node until the block is left."""
    gate = server.faults.nodes.hold(class_type="SaveImage")
    job = await client.submit(graph or picture())
    await server.until_executing(job.prompt_id, "2")
    try:
        yield job
    finally:
        gate.release()
