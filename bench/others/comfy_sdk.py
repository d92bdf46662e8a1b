"""comfy-sdk behind comfy-api-proxy: the proxy runs beside the driver, and its CPU time counts."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

from contest import NoPicture, Prompt, Run, race

RETRY = 0.1


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until_listening(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(RETRY)
        else:
            return
    raise RuntimeError("comfy-api-proxy did not start")


def cpu_time_of(process: subprocess.Popen[bytes]) -> float:
    """Return user and system seconds of this process and of ``process``."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return time.process_time() + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def main(run: Run, proxy: subprocess.Popen[bytes]) -> None:
    from comfy_sdk import AsyncComfy  # noqa: PLC0415 - it reads its address when it is imported or made

    async with AsyncComfy() as client:

        async def run_one(prompt: Prompt) -> bytes:
            job = await client.run(client.workflows.from_json(prompt))
            if not job.outputs:
                raise NoPicture
            content: bytes = await job.outputs[0].to_bytes()
            return content

        names = f"{version('comfy-sdk')} behind comfy-api-proxy {version('comfy-api-proxy')}"
        await race(run_one, run, version=names, cpu_time=lambda: cpu_time_of(proxy))


def begin() -> None:
    run, port = Run.from_command_line(), free_port()
    command = [str(Path(sys.executable).parent / "comfy-api-proxy"), "run", "--comfyui", run.url]
    proxy = subprocess.Popen(
        [*command, "--port", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until_listening(port)
        os.environ["COMFY_BASE_URL"] = f"http://127.0.0.1:{port}"
        asyncio.run(main(run, proxy))
    finally:
        proxy.terminate()
        proxy.wait()


begin()
