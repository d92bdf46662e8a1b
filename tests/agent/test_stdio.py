"""``comfywire mcp --server``: a process between the official package's stdio client and a plain ComfyUI."""

import asyncio
import os
import sys
from typing import Any

import pytest
from mcp.client import Client  # type: ignore[import-not-found,unused-ignore]
from mcp.client.stdio import StdioServerParameters  # type: ignore[import-not-found,unused-ignore]
from tests.agent.conftest import text_of
from tests.service.rig import until

from comfywire.cli.main import main
from comfywire.client import Client as ComfyUI


def command(url: str, folder: Any) -> StdioServerParameters:
    options = ["-m", "comfywire", "mcp", "--server", url, "--workflows", str(folder)]
    return StdioServerParameters(command=sys.executable, args=options, env=dict(os.environ))


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_a_desktop_client_gets_a_picture_of_a_plain_comfyui(comfyui, folder, mode):
    told = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, total, message))

    async with Client(command(comfyui.url, folder), mode=mode) as desk:
        tools = {tool.name for tool in (await desk.list_tools()).tools}
        result = await desk.call_tool("run_a_square", {"color": 5}, progress_callback=hear)
        wrong = await desk.call_tool("run_a_square", {"color": "blue"})
        missing = await desk.call_tool("run_look", {"image": "/nowhere/x.png"})

    assert {"run_a_square", "run_look", "run_graph", "get_job"} <= tools
    assert [block.type for block in result.content] == ["text", "image", "resource_link"]
    assert told
    assert wrong.is_error
    assert "takes a number" in text_of(wrong)
    assert "is no file here" in text_of(missing)


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_a_canceled_request_ends_its_job_if_that_is_wanted(comfyui, folder, mode):
    held = comfyui.faults.nodes.hold(node_id="1")
    async with ComfyUI(comfyui.url) as other, Client(command(comfyui.url, folder), mode=mode) as desk:
        first = await other.submit(folder / "a square.json")  # so that the agent's waits in the queue
        await comfyui.until_running(first.prompt_id)
        meta: Any = {"comfywire/onCancel": "cancel"}
        calling = asyncio.create_task(desk.call_tool("run_a_square", {"color": 9}, meta=meta))
        await until(lambda: is_waiting(other))
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)
        await until(lambda: is_idle(other))
        held.release()
        await first.result()

    assert len(comfyui.log) == 1, "the agent's never ran"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param(["--server", "http://127.0.0.1:9"], "--server goes with --workflows", id="no-folder"),
        pytest.param(["--workflows", "."], "--workflows goes with --server", id="no-server"),
        pytest.param(
            ["--server", "http://127.0.0.1:9", "--workflows", "."], "needs the extra 'mcp'", id="no-extra"
        ),
    ],
)
def test_what_is_missing_is_said(capfd, monkeypatch, options, words):
    for name in ("desk", "results", "stdio", "tools", "workshop"):
        monkeypatch.delitem(sys.modules, f"comfywire.agent.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "mcp_types", None)  # as if it were not installed

    status = main(["mcp", *options])

    assert status != 0
    assert words in capfd.readouterr().err


async def is_waiting(client: ComfyUI) -> bool:
    return bool((await client.queue()).pending)


async def is_idle(client: ComfyUI) -> bool:
    return not await is_waiting(client)
