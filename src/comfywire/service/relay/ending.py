"""How a job ended, in ComfyUI's own messages: from what its ComfyUI said, and from what the store says. Pure.

The store is right where they differ: a prompt may have ended well on a ComfyUI that then did not give out its
files.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

from comfywire.service.jobs.states import JobState

__all__ = ["EndedJob", "message", "status_of"]

VERDICTS = ("execution_success", "execution_error", "execution_interrupted")
FITTING = {
    JobState.SUCCEEDED: ("execution_success",),
    JobState.FAILED: ("execution_error", "execution_interrupted"),
    JobState.CANCELED: ("execution_interrupted", "execution_error"),
}
"""What a ComfyUI may have said last of jobs that ended so."""


@dataclass(frozen=True, slots=True)
class EndedJob:
    """A job that has ended.

    Attributes:
        job_id: Which.
        key_id: Whose.
        client_id: Whose sockets hear of it; None for nobody's.
        state: How it ended.
        has_run: Whether a ComfyUI began to run it.
        error: What went wrong, as the store says it.
        entry: ``outputs``, ``status`` and ``meta`` of its ComfyUI's history, with our names, or None.
        remaining: Prompts of its key that wait or run now.

    """

    job_id: UUID
    key_id: UUID
    client_id: str | None
    state: JobState
    has_run: bool
    error: Mapping[str, Any] | None
    entry: Mapping[str, Any] | None
    remaining: int

    @property
    def is_silent(self) -> bool:
        """Whether a ComfyUI would say nothing but how many are left: of a prompt taken out of its queue."""
        return self.state is JobState.CANCELED and not self.has_run and self.entry is None

    @property
    def outputs(self) -> Mapping[str, Mapping[str, Any]]:
        """What its nodes show, by their ids."""
        return {} if self.entry is None else self.entry.get("outputs") or {}

    def messages(self) -> list[list[Any]]:
        """Return ``status.messages`` as ComfyUI's history has them: each a word and what it says."""
        told = _of(self.entry)
        before = [one for one in told if one[0] not in VERDICTS]
        if not before:
            before = [["execution_start", self._about()], ["execution_cached", self._about(nodes=[])]]
        said = next((one for one in reversed(told) if one[0] in VERDICTS), None)
        if said is None or said[0] not in FITTING.get(self.state, ()):
            said = self._verdict()
        return [*before, said]

    def executed(self, node_id: str) -> str:
        """Return the message that a node of :attr:`outputs` has finished."""
        meta = ((self.entry or {}).get("meta") or {}).get(node_id) or {}
        shown = meta.get("display_node") or node_id
        told = {"node": node_id, "display_node": shown, "output": self.outputs[node_id]}
        return message("executed", {**told, "prompt_id": str(self.job_id)})

    def _verdict(self) -> list[Any]:
        error = self.error or {}
        where: dict[str, Any] = {
            "node_id": error.get("node_id") or "",
            "node_type": error.get("class_type") or "",
            "executed": [],
        }
        match self.state:
            case JobState.SUCCEEDED:
                return ["execution_success", self._about()]
            case JobState.CANCELED:
                return ["execution_interrupted", self._about(**where)]
            case _:
                raised: dict[str, Any] = {
                    "exception_message": error.get("message") or f"the job has {self.state}",
                    "exception_type": error.get("exception_type") or error.get("code") or str(self.state),
                    "traceback": [],
                    "current_inputs": {},
                    "current_outputs": [],
                }
                return ["execution_error", self._about(**where, **raised)]

    def _about(self, **more: Any) -> dict[str, Any]:
        return {**more, "prompt_id": str(self.job_id), "timestamp": int(time.time() * 1000)}


def message(kind: str, told: Mapping[str, Any]) -> str:
    """Return a message as it goes over the socket."""
    return json.dumps({"type": kind, "data": told})


@lru_cache(64)
def status_of(remaining: int, sid: str | None = None) -> str:
    """Return the message that so many prompts of the caller's wait or run; the greeting names its ``sid``."""
    told: dict[str, Any] = {"status": {"exec_info": {"queue_remaining": remaining}}}
    return message("status", told if sid is None else {**told, "sid": sid})


def _of(entry: Mapping[str, Any] | None) -> list[list[Any]]:
    status = (entry or {}).get("status") or {}
    messages = status.get("messages") if isinstance(status, Mapping) else None
    if not isinstance(messages, list):
        return []
    return [one for one in messages if isinstance(one, list) and len(one) == 2 and isinstance(one[0], str)]
