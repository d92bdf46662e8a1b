"""A number that a caller gives is in the prompt that ran, as it was given: a node may be told 1 from 1.0."""

import json
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from tests.service.rig import until

from comfywire.server import Server

NUMBERS = [1, 1.0, 100.0, 1e15, 1e16, -1.5e22, 1.7e308, 1e-7, 5e-324, 2**53 + 1, 0.1, True, "1e+16"]


def prompt() -> dict[str, Any]:
    """A graph with a list of values, which ComfyUI takes only if it is wrapped so."""
    return {"1": {"class_type": "PreviewAny", "inputs": {"source": {"__value__": NUMBERS}}}}


async def submitted_as_prompt(http: httpx.AsyncClient) -> str:
    answer = await http.post("/prompt", json={"prompt": prompt()})
    return str(answer.json()["prompt_id"])


async def submitted_as_workflow(http: httpx.AsyncClient) -> str:
    return str((await http.post("/api/v2/jobs", json={"workflow": prompt()})).json()["id"])


async def registered_and_run(http: httpx.AsyncClient) -> str:
    await http.put("/api/v2/workflows/numbers", json={"workflow": prompt(), "parameters": {}})
    return str((await http.post("/api/v2/workflows/numbers/jobs", json={})).json()["id"])


async def given_as_an_input(http: httpx.AsyncClient) -> str:
    graph = {"1": {"class_type": "PreviewAny", "inputs": {"source": {"__value__": []}}}}
    parameters = {"parameters": {"value": {"type": "any", "inputs": ["1.source"]}}}
    await http.put("/api/v2/workflows/input", json={"workflow": graph, **parameters})
    inputs = {"value": {"__value__": NUMBERS}}
    return str((await http.post("/api/v2/workflows/input/jobs", json={"inputs": inputs})).json()["id"])


async def ran(http: httpx.AsyncClient, comfyui: Server, job_id: str) -> Mapping[str, Any]:
    """What the server that ran a job has of it in its history, once the job has ended."""

    async def is_over() -> bool:
        status = (await http.get(f"/api/v2/jobs/{job_id}")).json()["status"]
        return status not in {"queued", "running"}

    await until(is_over)
    entry: Mapping[str, Any] = (await http.get(f"{comfyui.url}/history/{job_id}")).json()[job_id]
    return entry


@pytest.mark.parametrize(
    "way_in", [submitted_as_prompt, submitted_as_workflow, registered_and_run, given_as_an_input]
)
async def test_numbers_are_run_as_they_were_given(http: httpx.AsyncClient, comfyui: Server, way_in: Any):
    entry = await ran(http, comfyui, await way_in(http))

    assert repr(entry["prompt"][2]["1"]["inputs"]["source"]) == repr(NUMBERS)
    assert repr(json.loads(entry["outputs"]["1"]["text"][0])) == repr(NUMBERS)
