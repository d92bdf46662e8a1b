"""``comfywire mcp --server``: one ComfyUI as an MCP server over standard input and output."""

from __future__ import annotations

import asyncio
from importlib.metadata import version
from typing import Any, TypeAlias

from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp_types import CallToolRequestParams, CallToolResult, ListToolsResult, PaginatedRequestParams

from comfywire.client import Job
from comfywire.errors import ComfywireError

from .desk import Desk
from .results import refusal

__all__ = ["serve"]

INSTRUCTIONS = """Each run_ tool runs one ComfyUI workflow as a job. A call answers when the job has ended,
or after a while with the job's id: then call wait_for_job. Files are given by their path on this machine."""
ON_CANCEL = "comfywire/onCancel"
Context: TypeAlias = "ServerRequestContext[Any, Any]"


async def serve(desk: Desk) -> None:
    """Answer until standard input ends; jobs that are under way then go on."""
    face = _Face(desk)
    server: Server[Any] = Server(
        "comfywire",
        version=version("comfywire"),
        instructions=INSTRUCTIONS,
        on_list_tools=face.list_tools,
        on_call_tool=face.call_tool,
    )
    async with stdio_server() as (reading, writing):
        await server.run(reading, writing, server.create_initialization_options())
    await face.close()


class _Face:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._ending: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Wait for jobs that are being ended."""
        await asyncio.gather(*self._ending)

    async def list_tools(self, ctx: Context, params: PaginatedRequestParams | None) -> ListToolsResult:
        del ctx, params
        return ListToolsResult(tools=await self._desk.tools())

    async def call_tool(self, ctx: Context, params: CallToolRequestParams) -> CallToolResult:
        arguments = params.arguments or {}

        async def told(fraction: float, words: str) -> None:
            await ctx.session.report_progress(fraction, 1.0, words)

        try:
            job = await self._desk.submitted(params.name, arguments)
            if job is None:
                return await self._desk.call(params.name, arguments, told)
            try:
                return await self._desk.waited(job, told)
            except asyncio.CancelledError:
                if (ctx.meta or {}).get(ON_CANCEL) == "cancel":
                    self._end(job)
                raise
        except (ComfywireError, TypeError, ValueError) as error:
            return refusal(str(error))

    def _end(self, job: Job) -> None:
        """End a job beside the request, whose scope of AnyIO's cancels whatever still waits in it."""
        ending = asyncio.create_task(job.withdraw(), name="comfywire mcp cancel")
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)
