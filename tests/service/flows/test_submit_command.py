"""`comfywire submit` at a service: what it exits with, and what reaches the node and nobody else."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.service.flows.conftest import DRAW

KEY = "comfyui-0123456789abcdef"
DROPPED = {**DRAW, "8": {"class_type": "SaveImage", "inputs": {"filename_prefix": "x"}}}
NOT_MADE = "output node 8 (SaveImage) was dropped"


@pytest.fixture
def submit(url: str, comfyui, tmp_path: Path):
    """The command in a process of its own: returns status, output and errors."""

    async def run(prompt: dict[str, Any], *options: str, **environment: str) -> tuple[int | None, str, str]:
        (tmp_path / "it.json").write_text(json.dumps(prompt), encoding="utf-8")
        own = {name: value for name, value in os.environ.items() if not name.startswith("COMFYWIRE_")}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "comfywire", "submit", "it.json", "--service", url, "--out", "out"),
            *options,
            cwd=tmp_path,
            env={**own, **environment},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        return process.returncode, out.decode(), err.decode()

    return run


async def test_a_job_whose_output_was_dropped_is_no_success(submit, http, tmp_path: Path):
    status, _, err = await submit(DROPPED)

    assert status == 1
    assert "did not make all that was asked for" in err
    assert err.count(NOT_MADE) == 1
    assert len(list((tmp_path / "out").iterdir())) == 1  # what did come is saved
    (job,) = (await http.get("/api/v2/jobs")).json()["jobs"]
    told = (await http.get(f"/api/v2/jobs/{job['id']}")).json()
    assert (told["status"], [words[: len(NOT_MADE)] for words in told["missing"]]) == (
        "succeeded",
        [NOT_MADE],
    )
    assert told["warnings"] == [f"not made: {words}" for words in told["missing"]]


async def test_as_json_it_is_named_too(submit):
    status, out, _ = await submit(DROPPED, "--json")

    result = json.loads(out.splitlines()[-1])
    assert (status, result["status"], result["error"]["type"]) == (1, "failed", "OutputsMissing")
    assert NOT_MADE in result["error"]["message"]


@pytest.mark.parametrize("way", ["option", "environment"])
async def test_a_key_for_paid_nodes_reaches_the_node_and_nobody_else(submit, http, comfyui, way):
    options, environment = (
        (("--api-key", KEY), {}) if way == "option" else ((), {"COMFYWIRE_COMFY_API_KEY": KEY})
    )
    paid = {"1": {"class_type": "BCSecret", "inputs": {"text": way}}}

    status, out, err = await submit(paid, "--json", *options, **environment)

    job = json.loads(out.splitlines()[-1])["job"]
    assert (status, err) == (0, "")
    assert [output["value"] for output in job["outputs"]] == [f"auth=None key={KEY}"]
    told = [{**job, "outputs": []}]
    told += [
        (await http.get(f"/api/v2/jobs/{job['id']}/{what}")).json() for what in ("workflow", "transitions")
    ]
    told += [run.prompt for run in comfyui.runs(job["id"])]
    assert KEY not in json.dumps(told)
