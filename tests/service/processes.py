"""``comfywire serve`` in a process of its own, as those who test it from outside have it."""

import asyncio
import contextlib
import os
import re
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import httpx

__all__ = ["Service", "service"]


class Service:
    """``comfywire serve`` of some version, with its worker."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def submit(self, prompt: dict[str, Any]) -> str:
        answer = await self.http.post("/jobs", json={"workflow": prompt})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def job(self, job_id: str) -> dict[str, Any]:
        answer = await self.http.get(f"/jobs/{job_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def path(self, job_id: str) -> list[str]:
        """The states that a job went through, as this version reads them."""
        answer = await self.http.get(f"/jobs/{job_id}/transitions")
        assert answer.status_code == 200, answer.text
        return [one["to_status"] for one in answer.json()["transitions"]]


@contextlib.asynccontextmanager
async def service(
    database_url: str | None,
    folder: Path,
    *servers: str,
    source: Path | None = None,
    options: Sequence[str] = (),
) -> AsyncIterator[Service]:
    """A service of this version, or of that at ``source``; without a URL it has a database of its own."""
    environment = {name: text for name, text in os.environ.items() if not name.startswith("COMFYWIRE_")}
    if source is not None:
        environment["PYTHONPATH"] = str(source)
    command = [sys.executable, "-m", "comfywire", "serve", "--port", "0", "--data", str(folder)]
    command += [] if database_url is None else ["--database-url", database_url]
    command += [*options, *(f"--server={url}" for url in servers)]
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, env=environment)
    try:
        url = f"{await _address(process)}/api/v2"
        async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False) as http:
            yield Service(http)
    finally:
        process.terminate()
        await process.communicate()


async def _address(process: Process) -> str:
    assert process.stdout is not None
    while line := (await process.stdout.readline()).decode():
        if found := re.search(r"http://[\d.:]+", line):
            return found[0]
    raise AssertionError("it ended")
