"""The calls that a job is copied as: they run as they stand, and make the same job again."""

import asyncio
import os
import shutil
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.browser.conftest import Opening, entered, made
from tests.peers.environments import NotInstalled, python, skip
from tests.service.rig import until

GRAPH: dict[str, Any] = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 7}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": 'it\'s "one"'}},
}


async def job_of(guest: httpx.AsyncClient, kind: str) -> dict[str, Any]:
    """A job of a registered workflow, or of a graph, that has ended."""
    if kind == "registered":
        return await made(guest, prompt='it\'s a "barn" \\ $HOME')
    return dict((await guest.post("/jobs?wait=60", json={"workflow": GRAPH})).json())


async def command_for(language: str, program: str, folder: Path) -> list[str]:
    """How a program that was copied is run."""
    if language == "curl":
        if shutil.which("curl") is None:
            pytest.skip("there is no curl")
        return ["sh", "-c", program]
    file = folder / "copied.py"
    file.write_text(program, encoding="utf-8")
    if language == "Python":
        return [sys.executable, str(file)]
    try:
        return [await asyncio.to_thread(python), str(file)]
    except NotInstalled as reason:
        skip(f"the clients from PyPI are not here: {reason}")


@pytest.mark.parametrize("kind", ["registered", "graph"])
@pytest.mark.parametrize("language", ["curl", "Python", "comfy-sdk"])
async def test_what_is_copied_makes_the_job_again(
    opened: Opening, guest: httpx.AsyncClient, tmp_path: Path, language: str, kind: str
) -> None:
    job = await job_of(guest, kind)
    key = guest.headers["Authorization"].removeprefix("Bearer ")
    async with entered(opened, guest, f"job/{job['id']}") as page:
        await page.get_by_text(language, exact=True).click()
        program = await page.locator("pre.code").inner_text()

    command = await command_for(language, program, tmp_path)
    service = str(guest.base_url).partition("/api/")[0]
    names = {"COMFYWIRE_KEY": key, "COMFY_BASE_URL": service, "COMFY_API_KEY": key}
    process = await asyncio.create_subprocess_exec(
        *command, cwd=tmp_path, env=os.environ | names, stdout=PIPE, stderr=STDOUT
    )
    said = (await process.communicate())[0].decode()

    assert process.returncode == 0, said
    jobs = (await guest.get("/jobs")).json()["jobs"]
    (again,) = [one for one in jobs if one["id"] != job["id"]]
    graphs = [(await guest.get(f"/jobs/{one['id']}/workflow")).json() for one in (job, again)]
    assert graphs[0] == graphs[1]
    await until(lambda: has_succeeded(guest, again["id"]))


async def has_succeeded(guest: httpx.AsyncClient, job_id: str) -> bool:
    status = (await guest.get(f"/jobs/{job_id}")).json()["status"]
    assert status in {"queued", "running", "succeeded"}
    return bool(status == "succeeded")
