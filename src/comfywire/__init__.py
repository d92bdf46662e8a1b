"""Comfywire: a ComfyUI client that never hangs, never loses a job and never runs one twice.

::

    import asyncio
    import comfywire

    async def main():
        async with comfywire.Client("http://127.0.0.1:8188") as client:
            result = await client.run("workflow_api.json", inputs={"KSampler.seed": 42})
            print(await result.save("out"))

    asyncio.run(main())

``comfywire.sync.Client`` is the same, blocking; ``comfywire.server.Server`` is a ComfyUI for tests.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .errors import (
    ComfywireError,
    ConnectionFailed,
    ConnectionLost,
    InvalidMask,
    InvalidParameter,
    InvalidWorkflow,
    JobError,
    JobFailed,
    JobInterrupted,
    JobLost,
    JobTimedOut,
    MissingExtra,
    OutputsGone,
    OutputsMissing,
    ReplyRefused,
    ServerError,
    UncertainWorkflow,
    UnexpectedReply,
    UnknownInput,
    UnknownNode,
    UnreadableWorkflow,
    UnsafeName,
    UnusablePack,
    WorkflowError,
    WorkflowRejected,
)

if TYPE_CHECKING:
    from . import sync
    from .client import Client, Job, JobProgress, Output, ReplyLimits, Result, Upload
    from .client.check import Finding
    from .client.events import (
        Event,
        Executed,
        Executing,
        ExecutionCached,
        ExecutionError,
        ExecutionInterrupted,
        ExecutionStart,
        ExecutionSuccess,
        NodeProgress,
        PreviewImage,
        Progress,
        ProgressState,
        ProgressText,
        QueueSnapshot,
        SocketImage,
        Unknown,
    )
    from .workflow import Node, Workflow

__version__ = "0.1.0"

# Loaded on first use: `comfywire --version` need not import an HTTP client. What is not here is an event.
_HOMES = {
    "Client": "client",
    "Finding": "client.check",
    "Job": "client",
    "JobProgress": "client",
    "Node": "workflow",
    "Output": "client",
    "ReplyLimits": "client",
    "Result": "client",
    "Upload": "client",
    "Workflow": "workflow",
}

__all__ = [
    "Client",
    "ComfywireError",
    "ConnectionFailed",
    "ConnectionLost",
    "Event",
    "Executed",
    "Executing",
    "ExecutionCached",
    "ExecutionError",
    "ExecutionInterrupted",
    "ExecutionStart",
    "ExecutionSuccess",
    "Finding",
    "InvalidMask",
    "InvalidParameter",
    "InvalidWorkflow",
    "Job",
    "JobError",
    "JobFailed",
    "JobInterrupted",
    "JobLost",
    "JobProgress",
    "JobTimedOut",
    "MissingExtra",
    "Node",
    "NodeProgress",
    "Output",
    "OutputsGone",
    "OutputsMissing",
    "PreviewImage",
    "Progress",
    "ProgressState",
    "ProgressText",
    "QueueSnapshot",
    "ReplyLimits",
    "ReplyRefused",
    "Result",
    "ServerError",
    "SocketImage",
    "UncertainWorkflow",
    "UnexpectedReply",
    "Unknown",
    "UnknownInput",
    "UnknownNode",
    "UnreadableWorkflow",
    "UnsafeName",
    "UnusablePack",
    "Upload",
    "Workflow",
    "WorkflowError",
    "WorkflowRejected",
    "sync",
]


def __getattr__(name: str) -> Any:
    if name == "sync":
        return import_module(".sync", __name__)
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES.get(name, 'client.events')}", __name__), name)


def __dir__() -> list[str]:
    return __all__
