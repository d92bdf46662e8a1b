"""The tools that an agent is shown: one for each registered workflow, and those for jobs and files. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from mcp_types import Tool

from comfywire.agent.tools import READERS, RUNNING, SUBMITTING, tool, tool_of_workflow
from comfywire.service.access.callers import Caller
from comfywire.service.workflows.records import WorkflowRecord
from comfywire.workflow.parameters.schemas import schema_of

__all__ = ["tools_for"]

FILES = "A file is given by URL, or by the asset_id of an upload or of another output."
UPLOAD = tool(
    "upload_from_url",
    "Fetch a picture, video, sound or model from a public URL and keep it, to be used by several calls. "
    "Answers with the asset_id that file inputs take.",
    {"url": {"type": "string", "description": "http, https or data."}, "name": {"type": "string"}},
    "url",
    annotations=RUNNING,
)


def tools_for(caller: Caller, records: Iterable[WorkflowRecord]) -> list[Tool]:
    """Return the tools that the caller's key may use."""
    submitting = [*map(_of_workflow, records), *SUBMITTING, UPLOAD] if caller.may("submit") else []
    return [*submitting, *(READERS if caller.may("read") else ())]


def _of_workflow(record: WorkflowRecord) -> Tool:
    words = record.description or f"Run the workflow {record.name!r} on ComfyUI."
    schema = schema_of(record.parameters, title=record.name, description=record.description)
    return tool_of_workflow(record.name, f"{words} {FILES}", schema)
