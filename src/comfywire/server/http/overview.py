"""What goes on in the server, in a few words: the queue, and what was made last."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from comfywire.server.http.jobs_view import result_items

if TYPE_CHECKING:
    from collections.abc import Iterator

    from comfywire.server.execution.prompt_queue import QueueItem
    from comfywire.server.prompt_server import PromptServer

__all__ = ["overview"]

Overview = dict[str, Any]

MOST_WAITING = 20
MOST_RECENT = 24
MOST_SHOWN = 12
LONGEST_TEXT = 500
PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".gif", ".avif"}
ENDS = {
    "execution_success": "success",
    "execution_error": "error",
    "execution_interrupted": "interrupted",
}


def overview(server: PromptServer) -> Overview:
    """Describe the running and the next prompts, and the newest results, newest first."""
    running, pending = server.queue.snapshot()
    entries = server.queue.history_page(MOST_RECENT, -1)
    hidden = server.faults.history
    return {
        "profile": server.options.profile,
        "folder": str(server.folders.root),
        "running": [_running(server, item) for item in running],
        "waiting": [_waiting(item) for item in sorted(pending, key=lambda item: item[:2])[:MOST_WAITING]],
        "waiting_count": len(pending),
        "recent": [
            _ended(prompt_id, entry)
            for prompt_id, entry in reversed(entries.items())
            if not hidden.is_hidden(prompt_id)
        ],
        "recent_count": len(server.queue.history),
    }


def _waiting(item: QueueItem) -> Overview:
    return {"id": item[1], "number": item[0], "nodes": len(item[2])}


def _running(server: PromptServer, item: QueueItem) -> Overview:
    states = server.current.progress.states() if server.current.prompt_id == item[1] else {}
    current = next((node_id for node_id, state in reversed(states.items()) if not state.is_finished), None)
    described = {**_waiting(item), "done": sum(state.is_finished for state in states.values())}
    if current is not None:
        node = item[2].get(server.current.progress.describe(current)["real_node_id"], {})
        described["node"] = f"{node.get('class_type', 'node')} ({current})"
        described["value"], described["max"] = states[current].value, states[current].maximum
    return described


def _ended(prompt_id: str, entry: dict[str, Any]) -> Overview:
    """Describe a history entry, as far as it can be read: faults and nodes put anything there."""
    messages: dict[str, Any] = dict((entry.get("status") or {}).get("messages") or ())
    end = next((kind for kind in messages if kind in ENDS), None)
    began, ended = (messages.get(kind or "", {}).get("timestamp") for kind in ("execution_start", end))
    shown = list(_shown(entry.get("outputs") or {}))
    return {
        "id": prompt_id,
        "how": ENDS.get(end or "", "unknown"),
        "ended": ended,
        "seconds": None if began is None or ended is None else (ended - began) / 1000,
        "error": _error(messages.get("execution_error")),
        "shows": shown[:MOST_SHOWN],
        "shows_count": len(shown),
    }


def _error(error: dict[str, Any] | None) -> str | None:
    if error is None:
        return None
    words = str(error.get("exception_message", "")).strip()
    return f"{error.get('node_type')} ({error.get('node_id')}): {words}"[:LONGEST_TEXT]


def _shown(outputs: dict[str, Any]) -> Iterator[Overview]:
    for _, _, item in result_items(outputs):
        if not isinstance(item, dict):
            yield {"kind": "text", "text": str(item)[:LONGEST_TEXT]}
        elif "filename" in item:
            name = str(item["filename"])
            place = {key: item.get(key) or "" for key in ("filename", "subfolder", "type")}
            is_picture = PurePosixPath(name).suffix.lower() in PICTURES
            yield {
                "kind": "picture" if is_picture else "file",
                "name": name,
                "path": f"view?{urlencode(place)}",
            }
