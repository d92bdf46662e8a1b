"""``--json``: one object for each event, and a last one for the result (docs/command-line.md).

``event`` is ComfyUI's own name for the message where it has one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from comfywire.cli.failures import sentence
from comfywire.cli.naming import NodeNames
from comfywire.cli.run.ending import Ending
from comfywire.client import JobProgress, Output
from comfywire.client.events import (
    Event,
    Executed,
    Executing,
    ExecutionCached,
    ExecutionError,
    ExecutionInterrupted,
    ExecutionStart,
    ExecutionSuccess,
    PreviewImage,
    Progress,
    ProgressState,
    ProgressText,
    SocketImage,
    Unknown,
)
from comfywire.errors import JobFailed, JobInterrupted, WorkflowRejected

__all__ = ["describe", "describe_ending", "describe_output"]

Words = dict[str, Any]


def describe(event: Event, progress: JobProgress, names: NodeNames) -> Words | None:
    """Return an event as the dialect says it; None for what is not part of it."""
    match event:
        case ExecutionStart():
            return {"event": "execution_start"}
        case ExecutionCached(nodes=nodes):
            return {"event": "execution_cached", "nodes": list(nodes)}
        case Executing(node=None):
            return None  # the end: the result follows
        case Executing(node=node):
            return {"event": "executing", **_node(node, names), "fraction": _share(progress.fraction)}
        case Progress(node=node, value=value, max=maximum):
            steps = {"value": value, "max": maximum, "fraction": _share(progress.fraction)}
            return {"event": "progress", "node_id": node, **steps}
        case ProgressState():
            return _progress_state(event, progress)
        case Executed(node=node, output=output):
            return {"event": "executed", **_node(node, names), "output": output}
        case PreviewImage(node_id=node_id, media_type=media_type, image=image):
            return {"event": "preview", "node_id": node_id, "media_type": media_type, "bytes": len(image)}
        case SocketImage(node_id=node_id, media_type=media_type, image=image):
            return {"event": "image", "node_id": node_id, "media_type": media_type, "bytes": len(image)}
        case ProgressText(node_id=node_id, text=text):
            return {"event": "progress_text", "node_id": node_id, "text": text}
        case _:
            return _verdict(event, names)


def _verdict(event: Event, names: NodeNames) -> Words | None:
    match event:
        case ExecutionSuccess():
            return {"event": "execution_success"}
        case ExecutionError(node_id=node_id):
            error = {"exception_type": event.exception_type, "exception_message": event.exception_message}
            return {"event": "execution_error", **_node(node_id, names), **error}
        case ExecutionInterrupted(node_id=node_id):
            return {"event": "execution_interrupted", **_node(node_id, names)}
        case Unknown(type=str(kind), raw=Mapping() as raw):
            return {"event": "unknown", "type": kind, "raw": raw.get("data")}
        case _:
            return None


def _node(node_id: str | None, names: NodeNames) -> Words:
    return {"node_id": node_id, "class_type": names.class_type(node_id), "title": names.title(node_id)}


def _progress_state(event: ProgressState, progress: JobProgress) -> Words:
    """Only what runs: the server repeats every node with each step."""
    running = {
        node_id: {"value": node.value, "max": node.max}
        for node_id, node in event.nodes.items()
        if node.state == "running"
    }
    done = {"nodes_done": progress.nodes_done, "nodes_total": progress.nodes_total}
    return {"event": "progress_state", "running": running, **done, "fraction": _share(progress.fraction)}


def _share(fraction: float) -> float:
    return round(fraction, 4)


def describe_ending(ending: Ending) -> Words:
    """Return the last object of a run."""
    paths = {id(saved.output): saved.path for saved in ending.saved}
    return {
        "event": "result",
        "status": ending.status,
        "prompt_id": ending.prompt_id,
        "seconds": round(ending.seconds, 3),
        "outputs": [describe_output(output, paths.get(id(output))) for output in ending.outputs],
        "saved": [str(saved.path) for saved in ending.saved],
        "inputs": dict(ending.inputs),
        "warnings": [*ending.doubts, *ending.warnings, *(sentence(error) for error in ending.unsaved)],
        "error": None if ending.error is None else _error(ending.error),
    }


def describe_output(output: Output, path: Path | None = None) -> Words:
    """Return an output, and where it was saved."""
    place: Words = {}
    if output.filename is not None:
        place = {"filename": output.filename, "subfolder": output.subfolder, "type": output.type}
    else:
        place = {"value": output.value}
    saved = {} if path is None else {"path": str(path)}
    about = {"node_id": output.node_id, "class_type": output.class_type}
    return {**about, "kind": output.kind, "key": output.key, **place, **saved}


def _error(error: BaseException) -> Words:
    words: Words = {"type": type(error).__name__, "message": sentence(error)}
    match error:
        case JobFailed():
            fields = ("node_id", "class_type", "exception_type", "exception_message", "traceback")
            return words | _fields(error, fields)
        case JobInterrupted():
            return words | _fields(error, ("node_id", "class_type"))
        case WorkflowRejected():
            return words | _fields(error, ("sentences", "error", "node_errors"))
    return words


def _fields(error: BaseException, names: Iterable[str]) -> Words:
    return {name: getattr(error, name) for name in names}
