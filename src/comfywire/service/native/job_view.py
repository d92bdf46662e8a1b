"""Prompts as the jobs view of newer ComfyUIs describes them (comfy_execution/jobs.py, 0.33.0). Pure.

The editor's queue and history panels read nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from comfywire.client.results.shown import MODEL_SUFFIXES

__all__ = ["STATUSES", "ended_job", "in_full", "open_job"]

STATUSES = ("pending", "in_progress", "completed", "failed", "cancelled")
SEEN = ("images", "video", "audio", "3d", "gifs")
READ = (".txt", ".md", ".json")
LONGEST_TEXT = 1024
ENDS = ("execution_success", "execution_error", "execution_interrupted")
Job = dict[str, Any]
Entry = Mapping[str, Any]


def open_job(item: list[Any], status: str) -> Job:
    """Describe an item of the queue."""
    number, prompt_id, _, extra_data, _ = item
    brief = {"id": prompt_id, "status": status, "priority": number, **_submitted(extra_data)}
    return _told({**brief, "outputs_count": 0, "previewable_outputs_count": 0})


def ended_job(prompt_id: str, entry: Entry) -> Job:
    """Describe an entry of the history in few words."""
    number, _, _, extra_data, _ = entry["prompt"]
    messages: dict[str, Any] = dict(entry["status"].get("messages", ()))
    end: Mapping[str, Any] = next((messages[name] for name in messages if name in ENDS), {})
    files = [(node, key, item) for node, key, item in _shown(entry["outputs"]) if isinstance(item, dict)]
    return _told(
        {
            "id": prompt_id,
            "status": _status(entry["status"], messages),
            "priority": number,
            **_submitted(extra_data),
            "execution_start_time": messages.get("execution_start", {}).get("timestamp"),
            "execution_end_time": end.get("timestamp"),
            "execution_error": messages.get("execution_error"),
            "outputs_count": len(files),
            "previewable_outputs_count": sum(_rank(key, item) is not None for _, key, item in files),
            "preview_output": _preview(entry["outputs"]),
        }
    )


def in_full(brief: Job, entry: Entry) -> Job:
    """Add what only the look at one job has: outputs, status and workflow."""
    outputs = {node_id: _normal(shown) for node_id, shown in entry["outputs"].items()}
    workflow = {"prompt": entry["prompt"][2], "extra_data": entry["prompt"][3]}
    return {**brief, "outputs": outputs, "execution_status": entry["status"], "workflow": workflow}


def _status(status: Mapping[str, Any], messages: Mapping[str, Any]) -> str:
    if status.get("status_str") != "error":
        return "completed"
    return "cancelled" if "execution_interrupted" in messages else "failed"


def _submitted(extra_data: Mapping[str, Any]) -> Job:
    pnginfo = extra_data.get("extra_pnginfo")
    workflow = pnginfo.get("workflow") if isinstance(pnginfo, dict) else None
    workflow_id = workflow.get("id") if isinstance(workflow, dict) else None
    return {"create_time": extra_data.get("create_time"), "workflow_id": workflow_id}


def _told(job: Job) -> Job:
    return {key: value for key, value in job.items() if value is not None}


def _shown(outputs: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    for node_id, shown in outputs.items():
        for key, items in shown.items() if isinstance(shown, dict) else ():
            if key != "animated" and isinstance(items, list):
                yield from ((node_id, key, _as_file(item)) for item in items)


def _normal(shown: Any) -> Any:
    return {key: _files(key, items) for key, items in shown.items()} if isinstance(shown, dict) else shown


def _files(key: str, items: Any) -> Any:
    if key == "animated" or not isinstance(items, list):
        return items
    return [_as_file(item) for item in items if item is not None]


def _as_file(item: Any) -> Any:
    """Return a 3D model, which is named by a bare text, as a file."""
    if not isinstance(item, str) or not _is_model(item):
        return item
    place = PurePosixPath(item)
    folder = "" if str(place.parent) == "." else str(place.parent)
    return {"filename": place.name, "type": "output", "subfolder": folder, "mediaType": "3d"}


def _is_model(name: str) -> bool:
    return PurePosixPath(name).suffix.lstrip(".").lower() in MODEL_SUFFIXES


def _rank(key: str, file: Mapping[str, Any]) -> int | None:
    """Return how well a file stands for its job, the best 0; None for what cannot be shown."""
    name = str(file.get("filename", "")).lower()
    if key == "text" or name.endswith(READ):
        return 2
    if key in SEEN or _is_model(name) or str(file.get("format", "")).startswith(("video/", "audio/")):
        return 0 if file.get("type") == "output" else 1
    return None


def _preview(outputs: Mapping[str, Any]) -> Job | None:
    ranked: list[tuple[int, Job]] = []
    for node_id, key, item in _shown(outputs):
        if isinstance(item, dict) and (rank := _rank(key, item)) is not None:
            ranked.append((rank, {"mediaType": key, **item, "nodeId": node_id}))
        elif key == "text" and not isinstance(item, dict):
            text = {"content": str(item)[:LONGEST_TEXT], "nodeId": node_id, "mediaType": key}
            ranked.append((3, {**text, "truncated": True} if len(str(item)) > LONGEST_TEXT else text))
    return min(ranked, key=lambda each: each[0])[1] if ranked else None
