"""What ``/queue``, ``/api/jobs`` and ``/history`` answer: the truth about prompts at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from comfywire.errors import UnexpectedReply

from .messages import ExecutionError, ExecutionInterrupted, ExecutionSuccess, Verdict
from .parsing import parse_envelope

__all__ = ["HistoryEntry", "QueueSnapshot", "parse_history", "parse_jobs", "parse_queue"]


@dataclass(frozen=True, slots=True)
class QueueSnapshot:
    """Who was running and who was waiting."""

    running: tuple[str, ...] = ()
    """prompt_ids; one, unless the server is not ComfyUI's own."""
    pending: tuple[str, ...] = ()
    """prompt_ids in the order in which they will run."""
    graphs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, compare=False, repr=False)
    """The API-format graph of each, where the server sent it."""
    client_ids: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    """Under which each was submitted, where the server said it."""

    def __contains__(self, prompt_id: str) -> bool:
        return prompt_id in self.running or prompt_id in self.pending


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """How a prompt ended, and what every output node produced.

    ``verdict`` is read from the entry's messages; ``status_str`` decides only where there are none,
    because it is not reset for each prompt, says "error" for an interrupt, and can say "success" after
    an ``execution_error`` (execution.py, ``execute_async``, 0.3.64; comfyui-protocol.md 3.9).
    """

    verdict: Verdict
    outputs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By node_id: the node's output as it was shown, whatever its keys."""
    meta: Mapping[str, Any] = field(default_factory=dict)
    """By node_id: ``display_node`` and ``parent_node`` of nodes that others expanded into."""
    graph: Mapping[str, Any] = field(default_factory=dict)
    """The graph as it was queued."""
    targets: frozenset[str] | None = None
    """The output nodes that were to run, where the server says it."""
    status: Mapping[str, Any] | None = field(default=None, compare=False)
    """``status_str``, ``completed`` and ``messages``, as the server wrote them."""


def parse_queue(reply: object) -> QueueSnapshot:
    """Return the snapshot in a reply of ``GET /queue``.

    Raises:
        UnexpectedReply: The reply does not have the two lists. A queue that cannot be read says nothing
            about any prompt, so nothing may be concluded from it.

    """
    if not isinstance(reply, dict):
        raise UnexpectedReply("GET /queue did not answer an object")
    running, pending = _items(reply.get("queue_running")), _items(reply.get("queue_pending"))
    # The server lists pending prompts as its heap holds them; they run by (number, prompt_id)
    # (execution.py, PromptQueue.put, 0.3.64).
    pending.sort(key=lambda entry: (entry[0], entry[1]))
    return QueueSnapshot(
        running=tuple(entry[1] for entry in running),
        pending=tuple(entry[1] for entry in pending),
        graphs={entry[1]: entry[2] for entry in (*running, *pending)},
        client_ids={entry[1]: entry[3] for entry in (*running, *pending) if entry[3]},
    )


def parse_jobs(reply: object) -> QueueSnapshot:
    """Return the snapshot in a reply of ``GET /api/jobs?status=pending,in_progress`` (0.6.0 and newer).

    The same truth as ``/queue``, read in one step from the same lists, without the graphs (server.py,
    ``get_jobs``, 0.33.0).

    Raises:
        UnexpectedReply: The reply is no listing of jobs, or not all of it.

    """
    jobs = reply.get("jobs") if isinstance(reply, dict) else None
    if not isinstance(jobs, list) or not all(isinstance(job, dict) for job in jobs):
        raise UnexpectedReply("GET /api/jobs did not answer a list of jobs")
    pages = reply.get("pagination") if isinstance(reply, dict) else None
    if isinstance(pages, dict) and pages.get("has_more"):
        raise UnexpectedReply("GET /api/jobs left out some jobs")
    pending = [job for job in jobs if job.get("status") == "pending"]
    pending.sort(key=lambda job: (job.get("priority") or 0, str(job.get("id"))))
    return QueueSnapshot(
        running=tuple(str(job.get("id")) for job in jobs if job.get("status") == "in_progress"),
        pending=tuple(str(job.get("id")) for job in pending),
    )


def _items(entries: object) -> list[tuple[float, str, Mapping[str, Any], str]]:
    """Each item is ``[number, prompt_id, graph, extra_data, outputs]``, and a sixth from 0.3.68 on."""
    if not isinstance(entries, list):
        raise UnexpectedReply("GET /queue answered without queue_running and queue_pending")
    found: list[tuple[float, str, Mapping[str, Any], str]] = []
    for entry in entries:
        if not isinstance(entry, list) or len(entry) < 2:
            raise UnexpectedReply("GET /queue listed something that is no prompt")
        number = entry[0] if isinstance(entry[0], int | float) else 0.0
        graph = entry[2] if len(entry) > 2 and isinstance(entry[2], dict) else {}
        extra = entry[3] if len(entry) > 3 and isinstance(entry[3], dict) else {}
        client_id = extra.get("client_id")
        submitter = client_id if isinstance(client_id, str) else ""
        found.append((float(number), str(entry[1]), graph, submitter))
    return found


def parse_history(reply: object, prompt_id: str) -> HistoryEntry | None:
    """Return the entry of ``prompt_id`` in a reply of ``GET /history/{prompt_id}``; None if it has none.

    Raises:
        UnexpectedReply: The reply is no object of entries.

    """
    if not isinstance(reply, dict):
        raise UnexpectedReply("GET /history did not answer an object")
    entry = reply.get(prompt_id)
    if entry is None:
        return None
    if not isinstance(entry, dict):
        raise UnexpectedReply(f"GET /history answered an entry that is no object for {prompt_id}")
    queued = entry.get("prompt")
    queued = queued if isinstance(queued, list) else []
    graph = queued[2] if len(queued) > 2 else None
    status = entry.get("status")
    targets = queued[4] if len(queued) > 4 else None
    return HistoryEntry(
        verdict=_verdict(prompt_id, status),
        outputs=_outputs(entry.get("outputs")),
        meta=_mapping(entry.get("meta")),
        graph=_mapping(graph),
        targets=frozenset(map(str, targets)) if isinstance(targets, list) else None,
        status=status if isinstance(status, dict) else None,
    )


def _outputs(outputs: object) -> dict[str, Mapping[str, Any]]:
    return {node: shown for node, shown in _mapping(outputs).items() if isinstance(shown, dict)}


def _verdict(prompt_id: str, status: object) -> Verdict:
    """The last verdict among the messages; then ``status_str``; an entry without either has simply ended."""
    status = _mapping(status)
    messages = status.get("messages")
    for message in reversed(messages) if isinstance(messages, list) else ():
        if isinstance(message, list) and len(message) == 2 and isinstance(message[0], str):
            heard = parse_envelope({"type": message[0], "data": message[1]})
            if isinstance(heard, ExecutionSuccess | ExecutionError | ExecutionInterrupted):
                return heard
    if status.get("status_str") == "error":
        return ExecutionError(prompt_id, exception_message="the server recorded an error without its message")
    return ExecutionSuccess(prompt_id)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
