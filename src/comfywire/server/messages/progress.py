"""``progress_state``: all nodes that have started, in full, at every step (comfy_execution/progress.py)."""

from __future__ import annotations

import json
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple

from comfywire.server.messages.publisher import Message

if TYPE_CHECKING:
    from collections.abc import Callable

    from comfywire.server.graph import DynamicPrompt

__all__ = ["NodeState", "ProgressRegistry", "Throttle", "current_node"]

LEAST_INTERVAL = 0.1  # seconds
LEAST_CHANGE = 0.005  # of the whole

# The node whose function runs: a progress bar that was given no node_id belongs to it.
current_node: ContextVar[str | None] = ContextVar("current_node", default=None)


class NodeState(NamedTuple):
    """How far a node is."""

    value: float
    maximum: float
    is_finished: bool


class Throttle:
    """Which updates of the progress bars of a prompt a newer server tells (comfy/utils.py, 0.33.0).

    The first and the last of each bar, and in between those that are late and far enough from the one before.
    """

    def __init__(self) -> None:
        self._prompt_id: str | None = None
        self._told: dict[str, tuple[float, float]] = {}

    def passes(self, prompt_id: str | None, node_id: str, share: float, *, now: float) -> bool:
        """Tell whether to tell that a node has done this share of its work, at ``now`` seconds."""
        if prompt_id != self._prompt_id:
            self._prompt_id, self._told = prompt_id, {}
        then, before = self._told.get(node_id, (float("-inf"), float("-inf")))
        is_first = share < before  # a node that runs again in its prompt has a new bar
        is_due = now - then >= LEAST_INTERVAL and share - before >= LEAST_CHANGE
        if not (is_first or is_due or share >= 1):
            return False
        self._told[node_id] = (now, share)
        return True


class ProgressRegistry:
    """The state of the nodes of one prompt.

    A message repeats every node, so a long graph makes long messages: each node's part is encoded once and
    kept, and a message is these parts joined.
    """

    def __init__(
        self,
        prompt_id: str,
        graph: DynamicPrompt,
        *,
        send: Callable[[Message], None],
        sid: str | None,
    ) -> None:
        self._prompt_id = prompt_id
        self._graph = graph
        self._send = send
        self._sid = sid
        self._states: dict[str, NodeState] = {}
        self._parts: dict[str, str] = {}
        self._head = f'{{"prompt_id": {json.dumps(prompt_id)}, "nodes": {{'

    def start(self, node_id: str) -> None:
        """A node starts, or starts again."""
        self._set(node_id, 0.0, 1.0, "running")

    def update(self, node_id: str, value: float, maximum: float) -> None:
        """A running node has got so far."""
        self._set(node_id, value, maximum, "running")

    def finish(self, node_id: str) -> None:
        """A node is done, or was cached."""
        # A node that never started counts 1 of 1, as integers (progress.py, ensure_entry).
        maximum = self._states[node_id].maximum if node_id in self._states else 1
        self._set(node_id, maximum, maximum, "finished")

    def states(self) -> dict[str, NodeState]:
        """Return how far each node is that has started; callable from any thread."""
        return self._states.copy()

    def describe(self, node_id: str) -> dict[str, Any]:
        """Return who a node is, as previews with metadata say it."""
        return {
            "node_id": node_id,
            "prompt_id": self._prompt_id,
            "display_node_id": self._graph.display_id(node_id),
            "parent_node_id": self._graph.parent(node_id),
            "real_node_id": self._graph.real_id(node_id),
        }

    def _set(self, node_id: str, value: float, maximum: float, state: str) -> None:
        self._states[node_id] = NodeState(value, maximum, state == "finished")
        part = {"value": value, "max": maximum, "state": state, **self.describe(node_id)}
        self._parts[node_id] = f"{json.dumps(node_id)}: {json.dumps(part)}"
        nodes = ", ".join(self._parts.values())
        self._send(Message("progress_state", f"{self._head}{nodes}}}}}", self._sid, self._prompt_id))
