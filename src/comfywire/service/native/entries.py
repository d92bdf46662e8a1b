"""One entry of /history, as a ComfyUI has it (execution.py, PromptQueue.task_done, 0.3.64). Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from comfywire.service.jobs.native_prompts import HistoryRecord, extra_data_of

__all__ = ["entry_of", "rendered"]

Event = list[Any]


def rendered(record: HistoryRecord) -> bytes:
    """Return an entry as JSON, its id before it: a member of the object that /history answers."""
    entry = json.dumps(entry_of(record), ensure_ascii=False, separators=(", ", ": "))
    return f'"{record.id}": {entry}'.encode("utf-8", "surrogatepass")


def entry_of(record: HistoryRecord) -> dict[str, Any]:
    """Return the entry of a job that has ended.

    What its ComfyUI said of it is told as it was. Where that is not to be had, since the job was lost, say,
    or ended before a ComfyUI had it, the entry says what the service knows, in the same form.
    """
    number = int(record.number) if record.number.is_integer() else record.number
    said = record.entry or {}
    return {
        "prompt": [number, str(record.id), record.prompt, dict(extra_data_of(record)), record.outputs],
        "outputs": said.get("outputs", {}),
        "status": _status(record, said.get("status")),
        "meta": said.get("meta", {}),
    }


def _status(record: HistoryRecord, said: Any) -> dict[str, Any]:
    """Return the status, which never contradicts the job's own end.

    A job may fail although its ComfyUI says that it went well: when the files are not to be had, say.
    """
    is_good = record.state == "succeeded"
    if isinstance(said, Mapping) and bool(said.get("completed")) == is_good:
        return dict(said)
    messages = [_event("execution_start", record, record.started_at)] if record.started_at else []
    messages.append(_end(record))
    return {"status_str": "success" if is_good else "error", "completed": is_good, "messages": messages}


def _end(record: HistoryRecord) -> Event:
    at, error = record.completed_at, record.error or {}
    about: dict[str, Any] = {
        "node_id": error.get("node_id"),
        "node_type": error.get("class_type"),
        "executed": [],
    }
    match record.state:
        case "succeeded":
            return _event("execution_success", record, at)
        case "canceled":
            return _event("execution_interrupted", record, at, **about)
        case _:
            return _event(
                "execution_error",
                record,
                at,
                **about,
                exception_message=error.get("message") or "it did not end well",
                exception_type=error.get("exception_type") or error.get("code") or record.state,
                traceback=(error.get("traceback") or "").splitlines(keepends=True),
                current_inputs={},
                current_outputs=[],
            )


def _event(name: str, record: HistoryRecord, at: datetime, **more: Any) -> Event:
    return [name, {"prompt_id": str(record.id), **more, "timestamp": int(at.timestamp() * 1000)}]
