"""Be an agent: list the tools of a job service over MCP, and call one. Needs the extra `mcp`."""

import asyncio
import os
import sys

from mcp.client import Client  # type: ignore[import-not-found,unused-ignore]
from mcp.client.streamable_http import streamable_http_client  # type: ignore[import-not-found,unused-ignore]
from mcp.shared._httpx_utils import create_mcp_http_client  # type: ignore[import-not-found,unused-ignore]

SERVICE = os.environ.get("COMFYWIRE_SERVICE", "http://127.0.0.1:8190")


async def main(tool: str, *words: str) -> None:
    key = os.environ.get("COMFYWIRE_KEY")  # where the service asks for none, none is sent
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with (
        create_mcp_http_client(headers=headers) as http,
        Client(streamable_http_client(f"{SERVICE}/mcp", http_client=http)) as agent,
    ):
        for offered in (await agent.list_tools()).tools:
            print(f"{offered.name}: {offered.description}")
        arguments = dict(word.split("=", 1) for word in words)
        for block in (await agent.call_tool(tool, arguments)).content:
            print(getattr(block, "text", None) or getattr(block, "uri", None) or block.type)


asyncio.run(main(*sys.argv[1:]))
