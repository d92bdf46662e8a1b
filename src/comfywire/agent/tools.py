"""The tools that agents are shown, whether a job service answers them or one ComfyUI does. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcp_types import Tool, ToolAnnotations

__all__ = ["MOST_LISTED", "OUTPUT", "READERS", "RUN", "RUNNING", "SUBMITTING", "tool", "tool_of_workflow"]

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
                    "input": {"type": "string", "description": "Likewise, of a ComfyUI without a service."},
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


def tool_of_workflow(name: str, description: str, schema: dict[str, Any]) -> Tool:
    """Return the tool that runs the workflow ``name``, whose inputs are of ``schema``."""
    return Tool(
        name=f"{RUN}{name}",
        title=name,
        description=description,
        input_schema=schema,
        output_schema=OUTPUT,
        annotations=RUNNING,
    )


def tool(
    name: str,
    description: str,
    properties: Mapping[str, Any],
    *required: str,
    annotations: ToolAnnotations,
    output: dict[str, Any] | None = None,
) -> Tool:
    """Return a tool with these arguments, of which it needs ``required``."""
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
    tool(
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
    tool(
        "cancel_job",
        "End a job that waits or runs. One that has ended stays as it is.",
        JOB_ID,
        "job_id",
        annotations=CANCELING,
        output=OUTPUT,
    ),
)
READERS = (
    tool(
        "get_job",
        "Look at a job: how it stands, and what it made.",
        JOB_ID,
        "job_id",
        annotations=READING,
        output=OUTPUT,
    ),
    tool(
        "wait_for_job",
        "Wait until a job ends, and show what it made. Call it again if the job goes on.",
        {**JOB_ID, **SECONDS},
        "job_id",
        annotations=READING,
        output=OUTPUT,
    ),
    tool(
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
