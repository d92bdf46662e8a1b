"""The jobs view of queue and history that newer servers give (comfy_execution/jobs.py, 0.33.0)."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from comfywire.server.execution.prompt_queue import QueueItem

__all__ = ["STATUSES", "Job", "is_canonical_uuid", "job_of_entry", "job_of_item", "result_items"]

Job = dict[str, Any]

STATUSES = ("pending", "in_progress", "completed", "failed", "cancelled")
VISUAL = ("images", "video", "audio", "3d")
MODELS = (".obj", ".fbx", ".gltf", ".glb", ".usdz")
TEXTS = (".txt", ".md", ".json")
LONGEST_TEXT = 1024


def is_canonical_uuid(value: object) -> bool:
    """Tell whether an id is a lowercase hyphenated UUID, the only ones that newer servers take."""
    try:
        return isinstance(value, str) and str(uuid.UUID(value)) == value
    except ValueError:
        return False


def job_of_item(item: QueueItem, status: str) -> Job:
    """Describe a prompt that runs or waits."""
    number, prompt_id, _, extra_data, _ = item
    job = {"id": prompt_id, "status": status, "priority": number, **_submitted(extra_data)}
    return _without_nulls({**job, "outputs_count": 0, "previewable_outputs_count": 0})


def job_of_entry(prompt_id: str, entry: dict[str, Any], *, is_full: bool = False) -> Job:
    """Describe a prompt that has ended; in full, with outputs, status and workflow.

    ``completed`` comes from ``status_str`` and inherits its flaws.
    """
    number, _, prompt, extra_data, _ = entry["prompt"]
    status = entry.get("status") or {}
    messages: dict[str, Any] = dict(status.get("messages", ()))
    end: dict[str, Any] = next((messages[kind] for kind in messages if kind in ENDS), {})
    outputs = entry.get("outputs", {})
    shown = list(result_items(outputs))
    job = _without_nulls(
        {
            "id": prompt_id,
            "status": _status(status.get("status_str"), was_interrupted="execution_interrupted" in messages),
            "priority": number,
            **_submitted(extra_data),
            "execution_start_time": messages.get("execution_start", {}).get("timestamp"),
            "execution_end_time": end.get("timestamp"),
            "execution_error": messages.get("execution_error"),
            "outputs_count": sum(1 for _, _, item in shown if isinstance(item, dict)),
            "previewable_outputs_count": sum(
                1 for _, key, item in shown if isinstance(item, dict) and _rank(key, item) is not None
            ),
            "preview_output": _preview(shown),
        }
    )
    if is_full:
        job["outputs"] = _shown_outputs(outputs)
        job["execution_status"] = entry.get("status")
        job["workflow"] = {"prompt": prompt, "extra_data": extra_data}
    return job


ENDS = ("execution_success", "execution_error", "execution_interrupted")


def _status(status_str: str | None, *, was_interrupted: bool) -> str:
    if status_str != "error":
        return "completed"
    return "cancelled" if was_interrupted else "failed"


def _submitted(extra_data: dict[str, Any]) -> Job:
    """Return when and from which workflow; a null in place of an object makes a listing a 500."""
    workflow = extra_data.get("extra_pnginfo", {}).get("workflow", {})
    return {"create_time": extra_data.get("create_time"), "workflow_id": workflow.get("id")}


def _without_nulls(job: Job) -> Job:
    return {key: value for key, value in job.items() if value is not None}


def result_items(outputs: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Yield what the output nodes of a history entry show: node id, key, and the file or value."""
    for node_id, output in outputs.items():
        for key, items in output.items() if isinstance(output, dict) else ():
            if key != "animated" and isinstance(items, list):
                yield from ((node_id, key, _as_file(item)) for item in items)


def _shown_outputs(outputs: dict[str, Any]) -> dict[str, Any]:
    """Return outputs without nulls, and with the bare names of 3D models as files (normalize_outputs)."""
    return {
        node_id: {key: _files(key, items) for key, items in output.items()}
        if isinstance(output, dict)
        else output
        for node_id, output in outputs.items()
    }


def _files(key: str, items: Any) -> Any:
    if key == "animated" or not isinstance(items, list):
        return items
    return [_as_file(item) for item in items if item is not None]


def _as_file(item: Any) -> Any:
    if not isinstance(item, str) or not item.lower().endswith(MODELS):
        return item
    return {"filename": item, "type": "output", "subfolder": "", "mediaType": "3d"}


def _rank(key: str, file: dict[str, Any]) -> int | None:
    """Rank a file as the job's preview, best first; None for what cannot be shown."""
    name = file.get("filename", "").lower()
    if key == "text" or name.endswith(TEXTS):
        return 2
    if key in VISUAL or name.endswith(MODELS) or file.get("format", "").startswith(("video/", "audio/")):
        return 0 if file.get("type") == "output" else 1
    return None


def _preview(shown: Iterable[tuple[str, str, Any]]) -> dict[str, Any] | None:
    """Choose what stands for the job: saved media, temporary media, a text file, a text."""
    ranked: list[tuple[int, dict[str, Any]]] = []
    for node_id, key, item in shown:
        where = {"nodeId": node_id, "mediaType": key}
        if isinstance(item, dict):
            rank = _rank(key, item)
            if rank is not None:
                ranked.append((rank, {"mediaType": key, **item, "nodeId": node_id}))
        elif key == "text":
            text = {"content": str(item)[:LONGEST_TEXT]}
            is_long = {"truncated": True} if len(str(item)) > LONGEST_TEXT else {}
            ranked.append((3, {**text, **is_long, **where}))
    return min(ranked, key=lambda each: each[0])[1] if ranked else None
