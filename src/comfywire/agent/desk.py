"""What an agent can do with one ComfyUI, as calls with arguments; every refusal says the next step."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from mcp_types import CallToolResult, TextContent, Tool

from comfywire.client import Client, Job
from comfywire.errors import ComfywireError
from comfywire.workflow.nearest import did_you_mean

from .arguments import Misunderstood, graph_of, limit_of, seconds_of
from .results import result_of, standing_of
from .tools import READERS, RUN, SUBMITTING
from .workshop import Workshop

__all__ = ["Desk"]

MOST_KEPT = 1000
"""Jobs that can be listed: of the oldest, their ids still mean them."""
PROMPT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
Told = Callable[[float, str], Awaitable[None]]


class Desk:
    """Serves the agents of one process.

    Args:
        client: The ComfyUI.
        workshop: The workflows that are tools; None for none.
        wait: Seconds that a call waits for its job.
        inline_bytes: The most that a picture in an answer may have.

    """

    def __init__(self, client: Client, workshop: Workshop, *, wait: float, inline_bytes: int) -> None:
        self._client = client
        self._workshop = workshop
        self._wait = wait
        self._inline_bytes = inline_bytes
        self._jobs: dict[str, tuple[Job, str]] = {}

    async def tools(self) -> list[Tool]:
        """Return the tools of the moment."""
        offered = await self._workshop.offered()
        return [*(one.tool() for one in offered.values()), *SUBMITTING, *READERS]

    async def submitted(self, tool: str, arguments: Mapping[str, Any]) -> Job | None:
        """Return the job that a tool began; None for tools that begin none.

        Raises:
            Misunderstood: There is no such workflow, or no graph.
            ComfywireError: What is wrong with the arguments, or the ComfyUI.

        """
        if tool == "run_graph":
            graph, targets = graph_of(arguments)
            return self._kept(await self._client.submit(graph, targets=targets, validate=True), "a graph")
        if not tool.startswith(RUN):
            return None
        offered, name = await self._workshop.offered(), tool.removeprefix(RUN)
        if name not in offered:
            near = did_you_mean(name, offered) or f"; there are {', '.join(offered) or 'none'}"
            raise Misunderstood(f"there is no workflow {name[:100]!r}{near}")
        job = await self._client.submit(offered[name].path, inputs=arguments, validate=True)
        return self._kept(job, name)

    async def call(self, tool: str, arguments: Mapping[str, Any], told: Told) -> CallToolResult:
        """Carry out a tool that begins no job.

        Raises:
            Misunderstood: There is none of this name, or its arguments cannot be.
            ComfywireError: The ComfyUI could not be asked.

        """
        match tool:
            case "get_job":
                return await self.looked(self._job(arguments))
            case "wait_for_job":
                return await self.waited(self._job(arguments), told, seconds_of(arguments))
            case "cancel_job":
                job = self._job(arguments)
                with contextlib.suppress(TimeoutError):
                    await job.cancel(timeout=self._wait)
                return await self.looked(job)
            case "list_jobs":
                return await self._listed(arguments)
        raise Misunderstood(f"there is no tool {tool[:100]!r}: list the tools again, they may have changed")

    async def waited(self, job: Job, told: Told, seconds: float | None = None) -> CallToolResult:
        """Return a job when it has ended, or as it is when waiting takes too long."""
        longest = self._wait if seconds is None else min(seconds, self._wait)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(longest):
                async for _ in job.events():
                    progress = job.progress
                    await told(min(progress.fraction, 1.0), f"job {job.prompt_id} is {progress.phase}")
                with contextlib.suppress(ComfywireError):
                    await job.result()
        return await self.looked(job)

    async def looked(self, job: Job) -> CallToolResult:
        """Return a job as it is."""
        return await result_of(job, self._inline_bytes)

    def _kept(self, job: Job, name: str) -> Job:
        self._jobs[job.prompt_id] = (job, name)
        while len(self._jobs) > MOST_KEPT:
            del self._jobs[next(iter(self._jobs))]
        return job

    def _job(self, arguments: Mapping[str, Any]) -> Job:
        """Return the job that ``job_id`` names: one of this process, or of an earlier one."""
        given = str(arguments.get("job_id") or "")
        if given in self._jobs:
            return self._jobs[given][0]
        if not PROMPT_ID.fullmatch(given):
            raise Misunderstood(f"there is no job {given[:80]!r}: list_jobs shows yours")
        return self._kept(self._client.attach(given), "an earlier one")

    async def _listed(self, arguments: Mapping[str, Any]) -> CallToolResult:
        limit, status, workflow = limit_of(arguments), arguments.get("status"), arguments.get("workflow")
        shown: list[dict[str, Any]] = []
        for job, name in reversed(self._jobs.values()):
            standing = await standing_of(job)
            if len(shown) < limit and status in (None, standing.status) and workflow in (None, name):
                shown.append({"job_id": job.prompt_id, "status": standing.status, "workflow": name})
        lines = [f"{one['job_id']} {one['status']} {one['workflow']}" for one in shown]
        text = "\n".join(lines) or "There is no such job."
        return CallToolResult(content=[TextContent(text=text)], structured_content={"jobs": shown})
