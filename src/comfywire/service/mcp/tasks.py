"""The extension ``io.modelcontextprotocol/tasks``: a task is a job, so its id is good after any restart."""

from __future__ import annotations

from typing import Any

from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, CallToolResult, ClientCapabilities
from pydantic import BaseModel, Field

from comfywire.errors import ComfywireError
from comfywire.service.jobs.records import JobRecord
from comfywire.service.jobs.states import JobState

from .desk import Desk

__all__ = ["TASKS", "TaskParams", "cancel_task", "created", "get_task", "wants_tasks"]

TASKS = "io.modelcontextprotocol/tasks"
POLL_INTERVAL = 1000
"""Milliseconds between two looks at a task."""


class TaskParams(BaseModel):
    """Which task is meant."""

    task_id: str = Field(alias="taskId")


def wants_tasks(capabilities: ClientCapabilities | None) -> bool:
    """Whether a client says with its request that it knows tasks."""
    return capabilities is not None and TASKS in (capabilities.extensions or {})


def created(job: JobRecord) -> dict[str, Any]:
    """Return the answer to a call whose job goes on as a task."""
    return {"resultType": "task", **_facts(job)}


async def get_task(desk: Desk, task_id: str) -> dict[str, Any]:
    """Return how a task stands, with the call's result when it is over.

    A job that failed is a call that was carried out and answers so: its task is completed.

    Raises:
        MCPError: The caller has no such task.
        Forbidden: The key may not read.

    """
    desk.caller.must("read")
    job = await _job(desk, task_id)
    facts = {"resultType": "complete", **_facts(job)}
    if facts["status"] == "completed":
        facts["result"] = _wire(await desk.result(job))
    return facts


async def cancel_task(desk: Desk, task_id: str) -> dict[str, Any]:
    """Ask for the end of a task's job.

    Raises:
        MCPError: The caller has no such task.
        Forbidden: The key may not submit.

    """
    job = await _job(desk, task_id)
    desk.caller.must("submit")
    await desk.core.store.cancel(job.id, "an agent canceled its task")
    return {"resultType": "complete"}


async def _job(desk: Desk, task_id: str) -> JobRecord:
    try:
        return await desk.job({"job_id": task_id})
    except ComfywireError as error:
        raise MCPError(code=INVALID_PARAMS, message=f"there is no task {task_id[:80]!r}") from error


def _facts(job: JobRecord) -> dict[str, Any]:
    times = [time for time in (job.created_at, job.started_at, job.completed_at) if time is not None]
    return {
        "taskId": str(job.id),
        "status": _status(job.state),
        "createdAt": job.created_at.isoformat(),
        "lastUpdatedAt": max(times).isoformat(),
        "ttlMs": int((job.expires_at - job.created_at).total_seconds() * 1000),
        "pollIntervalMs": POLL_INTERVAL,
    }


def _status(state: JobState) -> str:
    match state:
        case JobState.SUCCEEDED | JobState.FAILED | JobState.EXPIRED:
            return "completed"
        case JobState.CANCELED:
            return "cancelled"
        case _:
            return "working"


def _wire(result: CallToolResult) -> dict[str, Any]:
    wire: dict[str, Any] = result.model_dump(by_alias=True, mode="json", exclude_none=True)
    return wire
