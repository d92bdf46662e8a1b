"""The tools that an agent is shown: one for each registered workflow, and those for jobs and files. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mcp_types import Tool, ToolAnnotations

from comfywire.service.access.callers import Caller
from comfywire.service.workflows.registered import WorkflowRecord
from comfywire.service.workflows.schemas import schema_of

__all__ = ["MOST_LISTED", "RUN", "tools_for"]

RUN = "run_"
"""Before the name of a workflow, in the name of its tool."""
MOST_LISTED = 50
OUTPUT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "job_id": {"type": "string"},
        "status": {"type": "string", "description": "queued, running, canceling, or how it ended"},
        "progress": {"type": ["number", "null"], "description": "0 to 1"},
        "outputs": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "type": {"type": "string"},
                    "content_type": {"type": "string"},
                    "size_bytes": {"type": "integer"},
                    "asset_id": {"type": "string", "description": "An input of another call."},
                    "url": {"type": "string", "description": "Gives the bytes without a key, for a while."},
                },
                "required": ["name", "type"],
            },
        },
    },
    "required": ["job_id", "status", "outputs"],
}
JOB_ID = {"job_id": {"type": "string", "description": "What a run_ tool or list_jobs answered."}}
READING = ToolAnnotations(read_only_hint=True, open_world_hint=False)
RUNNING = ToolAnnotations(read_only_hint=False, destructive_hint=False, open_world_hint=False)
CANCELING = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=True)


def tools_for(caller: Caller, records: Iterable[WorkflowRecord]) -> list[Tool]:
    """Return the tools that the caller's key may use."""
    submitting = [*map(_of_workflow, records), *SUBMITTING] if caller.may("submit") else []
    return [*submitting, *(READERS if caller.may("read") else ())]


def _of_workflow(record: WorkflowRecord) -> Tool:
    words = record.description or f"Run the workflow {record.name!r} on ComfyUI."
    return Tool(
        name=f"{RUN}{record.name}",
        title=record.name,
        description=f"{words} A file is given by URL, or by the asset_id of an upload or of another output.",
        input_schema=schema_of(record.parameters, title=record.name, description=record.description),
        output_schema=OUTPUT,
        annotations=RUNNING,
    )


def _tool(
    name: str,
    description: str,
    properties: Mapping[str, Any],
    *required: str,
    annotations: ToolAnnotations,
    output: dict[str, Any] | None = None,
) -> Tool:
    schema = {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": False,
    }
    return Tool(
        name=name, description=description, input_schema=schema, output_schema=output, annotations=annotations
    )


SECONDS = {"seconds": {"type": "number", "exclusiveMinimum": 0, "description": "How long to wait at most."}}
SUBMITTING = (
    _tool(
        "run_graph",
        "Run any ComfyUI workflow in API format: an object of nodes by id, each with class_type and inputs. "
        "It is checked first; what is wrong is told node by node. Prefer the run_ tools where one does it.",
        {
            "workflow": {"type": "object", "description": "The graph in API format."},
            "outputs": {"type": "array", "items": {"type": "string"}, "description": "Only these nodes."},
        },
        "workflow",
        annotations=RUNNING,
        output=OUTPUT,
    ),
    _tool(
        "cancel_job",
        "End a job that waits or runs. One that has ended stays as it is.",
        JOB_ID,
        "job_id",
        annotations=CANCELING,
        output=OUTPUT,
    ),
    _tool(
        "upload_from_url",
        "Fetch a picture, video, sound or model from a public URL and keep it, to be used by several calls. "
        "Answers with the asset_id that file inputs take.",
        {"url": {"type": "string", "description": "http, https or data."}, "name": {"type": "string"}},
        "url",
        annotations=RUNNING,
    ),
)
READERS = (
    _tool(
        "get_job",
        "Look at a job: how it stands, and what it made.",
        JOB_ID,
        "job_id",
        annotations=READING,
        output=OUTPUT,
    ),
    _tool(
        "wait_for_job",
        "Wait until a job ends, and show what it made. Call it again if the job goes on.",
        {**JOB_ID, **SECONDS},
        "job_id",
        annotations=READING,
        output=OUTPUT,
    ),
    _tool(
        "list_jobs",
        "List your jobs, newest first.",
        {
            "status": {
                "type": "string",
                "enum": ["queued", "running", "canceling", "succeeded", "failed", "canceled", "expired"],
            },
            "workflow": {"type": "string", "description": "Only jobs of this registered workflow."},
            "limit": {"type": "integer", "minimum": 1, "maximum": MOST_LISTED},
        },
        annotations=READING,
    ),
)
