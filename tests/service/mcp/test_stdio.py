"""``comfywire mcp``, a process between the official package's stdio client and a service."""

import sys

import pytest
from mcp.client import Client  # type: ignore[import-not-found,unused-ignore]
from mcp.client.stdio import StdioServerParameters  # type: ignore[import-not-found,unused-ignore]
from mcp.shared.exceptions import MCPError  # type: ignore[import-not-found,unused-ignore]


def command(url: str, secret: str) -> StdioServerParameters:
    options = ["-m", "comfywire", "mcp", "--service", url, "--key", secret]
    return StdioServerParameters(command=sys.executable, args=options)


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_a_desktop_client_gets_a_picture(town, mode):
    _, secret = await town.core.access.create("desk", ["submit", "read"])

    async with Client(command(town.url, secret), mode=mode) as desk:
        tools = {tool.name for tool in (await desk.list_tools()).tools}
        result = await desk.call_tool("run_draw", {"color": 5})

    assert {"run_draw", "get_job"} <= tools
    assert [block.type for block in result.content] == ["text", "image", "resource_link"]


async def test_a_wrong_key_is_told_in_words(town):
    async with Client(command(town.url, "cw_wrong"), mode="2026-07-28") as desk:
        with pytest.raises(MCPError, match="the key right"):
            await desk.list_tools()
