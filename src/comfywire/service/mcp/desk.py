"""What an agent's key can do here, as calls with arguments; every refusal says the next step in words."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

from mcp_types import CallToolResult, TextContent, Tool

from comfywire.agent.arguments import Misunderstood, graph_of, limit_of, seconds_of, text_of
from comfywire.agent.tools import RUN
from comfywire.service.access.callers import Caller
from comfywire.service.api.bodies.asset_form import input_path
from comfywire.service.assets.by_url import fetch_input
from comfywire.service.core import Core
from comfywire.service.database.storable import must_be_storable
from comfywire.service.jobs.records import JobRecord
from comfywire.service.jobs.states import JobState
from comfywire.service.jobs.until_over import until_over
from comfywire.service.submission import Submission, submit_workflow
from comfywire.service.workflow_submission import common_of, submission_of
from comfywire.service.workflows.registered import UnknownWorkflow

from .results import refusal, result_of
from .tools import tools_for

__all__ = ["Desk", "NoSuchTool", "Progress", "must_be_kept", "told_of"]

LABELS = {"mcp": "agent"}
Progress = Callable[[JobRecord], Awaitable[None]]


class NoSuchTool(Misunderstood):
    """No tool has this name, or the key may not use it."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"there is no tool {name[:100]!r} for this key: list the tools again, they may have changed"
        )


class Desk:
    """Serves one caller.

    Args:
        core: The service.
        caller: The agent's key.
        origin: The URL before links to results.

    """

    def __init__(self, core: Core, caller: Caller, origin: str) -> None:
        self.core = core
        self.caller = caller
        self.origin = origin

    async def tools(self) -> list[Tool]:
        """Return the tools of the moment."""
        return tools_for(self.caller, await self.core.workflows.list())

    async def submitted(self, tool: str, arguments: Mapping[str, Any]) -> JobRecord | None:
        """Return the job that a tool began; None for tools that begin none.

        Raises:
            NoSuchTool: No workflow is registered under the name.
            ComfywireError: What is wrong with the arguments.

        """
        if tool == "run_graph":
            self.caller.must("submit")
            graph, targets = graph_of(arguments)
            submission = Submission(workflow=graph, targets=targets, labels=LABELS)
            return await submit_workflow(self.core, self.caller, submission)
        if not tool.startswith(RUN):
            return None
        self.caller.must("submit")
        try:
            record = await self.core.workflows.get(tool.removeprefix(RUN))
        except UnknownWorkflow:
            raise NoSuchTool(tool) from None
        common = common_of(record, labels=LABELS)
        submission = await submission_of(self.core, self.caller, record, arguments, common)
        return await submit_workflow(self.core, self.caller, submission)

    async def call(self, tool: str, arguments: Mapping[str, Any], told: Progress) -> CallToolResult:
        """Carry out a tool that begins no job.

        Raises:
            NoSuchTool: There is none of this name.
            ComfywireError: What is wrong with the arguments.

        """
        match tool:
            case "get_job":
                self.caller.must("read")
                return await self.result(await self.job(arguments))
            case "wait_for_job":
                self.caller.must("read")
                job = await self.job(arguments)
                return await self.result(await self.waited(job, told, seconds_of(arguments)))
            case "cancel_job":
                self.caller.must("submit")
                job = await self.job(arguments)
                return await self.result(await self.core.store.cancel(job.id, "an agent canceled it") or job)
            case "list_jobs":
                return await self._listed(arguments)
            case "upload_from_url":
                self.caller.must("submit")
                return await self._uploaded(arguments)
        raise NoSuchTool(tool)

    async def job(self, arguments: Mapping[str, Any]) -> JobRecord:
        """Return the job that ``job_id`` names, if it is the caller's.

        Raises:
            Misunderstood: It is not, or ``job_id`` is no id.

        """
        given = str(arguments.get("job_id") or "")
        try:
            job = await self.core.store.get(UUID(given), self.caller.key_id)
        except ValueError:
            job = None
        if job is None:
            raise Misunderstood(f"there is no job {given[:80]!r}: list_jobs shows yours")
        return job

    async def waited(self, job: JobRecord, told: Progress, seconds: float | None = None) -> JobRecord:
        """Return a job when it has ended, or as it is when waiting takes too long.

        Args:
            job: The job.
            told: Is given the job whenever it has changed.
            seconds: How long to wait; never longer than the operator says.

        """
        longest = self.core.settings.mcp_wait
        seconds = longest if seconds is None else min(seconds, longest)
        return await until_over(self.core.broker, job.id, seconds, told) or job

    async def result(self, job: JobRecord) -> CallToolResult:
        """Return a job as the result of a call."""
        return await result_of(self.core, job, self.origin)

    async def _listed(self, arguments: Mapping[str, Any]) -> CallToolResult:
        self.caller.must("read")
        status, limit = arguments.get("status"), limit_of(arguments)
        if status is not None and status not in list(JobState):
            raise Misunderstood(f"{status!r} is no status: choose from {', '.join(JobState)}")
        jobs = await self.core.store.search(
            self.caller.key_id,
            states=None if status is None else [JobState(status)],
            workflow=text_of(arguments, "workflow"),
            limit=limit,
        )
        shown = [
            {
                "job_id": str(job.id),
                "status": job.state.value,
                "workflow": job.workflow_name,
                "created_at": job.created_at.isoformat(timespec="seconds"),
            }
            for job in jobs
        ]
        lines = [
            f"{one['job_id']} {one['status']} {one['workflow'] or 'a graph'} {one['created_at']}"
            for one in shown
        ]
        text = "\n".join(lines) or "There is no such job."
        return CallToolResult(content=[TextContent(text=text)], structured_content={"jobs": shown})

    async def _uploaded(self, arguments: Mapping[str, Any]) -> CallToolResult:
        url = arguments.get("url")
        if not isinstance(url, str):
            raise Misunderstood("url is missing: give the address of the file")
        core, name = self.core, input_path(text_of(arguments, "name") or None)
        async with fetch_input(url, settings=core.settings, owner=self.caller.key_id) as file:
            asset, _ = await core.assets.create(
                self.caller.key_id,
                file.chunks,
                content_type=file.content_type,
                file_path=name or file.name,
                tags=("input",),
                is_named=name is not None,
            )
        values = {
            "asset_id": str(asset.id),
            "content_type": asset.content_type,
            "size_bytes": asset.size_bytes,
        }
        words = f"Kept as asset {asset.id}: give this id where a tool takes a file."
        return CallToolResult(content=[TextContent(text=words)], structured_content=values)


def must_be_kept(arguments: Mapping[str, Any]) -> None:
    """Check that a call's arguments can be kept.

    Raises:
        Misunderstood: A text or a number in them cannot.

    """
    try:
        must_be_storable(dict(arguments))
    except ValueError as error:
        raise Misunderstood(f"what the call says {error}: take it out") from None


def told_of(error: Exception) -> CallToolResult:
    """Return the words of an error, with what is wrong node by node where that is known."""
    details = getattr(error, "details", None) or {}
    problems = [
        problem["message"] for node in (details.get("node_errors") or {}).values() for problem in node
    ]
    return refusal("\n".join([str(error), *problems]) if len(problems) > 1 else str(error))
