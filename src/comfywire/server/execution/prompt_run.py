"""One prompt while it runs: what is known of it so far, and what is told of it (execution.py, 0.3.64)."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from comfywire.server.execution.execution_list import ExecutionList
from comfywire.server.execution.node_call import Hidden, call_node, finished, gather_inputs
from comfywire.server.graph import DynamicPrompt, ExecutionBlocker
from comfywire.server.messages.progress import ProgressRegistry
from comfywire.server.messages.publisher import Message

if TYPE_CHECKING:
    from comfywire.server.execution.cache import Cache
    from comfywire.server.execution.prompt_queue import QueueItem
    from comfywire.server.execution.run_log import Run
    from comfywire.server.execution.surroundings import PromptSurroundings

__all__ = ["PromptRun"]

log = logging.getLogger("comfywire.server")


class PromptRun:
    """One prompt while it runs."""

    def __init__(self, around: PromptSurroundings, cache: Cache, item: QueueItem, run: Run) -> None:
        self.around = around
        self.cache = cache
        _, self.prompt_id, prompt, self.extra_data, self.outputs = item
        self.log = run
        self.messages: list[list[Any]] = []
        self.graph = DynamicPrompt(prompt)
        self.hidden = Hidden(self.graph, self.extra_data)
        self.progress = ProgressRegistry(
            self.prompt_id, self.graph, send=around.send, sid=around.current.client_id
        )
        self.nodes = ExecutionList(self.graph, around.classes, self.is_cached)
        self.executed: dict[str, None] = {}
        self.shown: dict[str, None] = {}
        self._is_changed: dict[str, Any] = {}

    def is_cached(self, node_id: str) -> bool:
        """Tell whether a node has results already."""
        return self.cache.output(node_id) is not None

    def send(self, event: str, payload: dict[str, Any]) -> None:
        """Send a message to the submitter; to everybody if there is none."""
        self.around.send(Message(event, payload, self.around.current.client_id, self.prompt_id))

    def send_if_named(self, event: str, payload: dict[str, Any]) -> None:
        """Send a message to the submitter, if it gave a client_id."""
        if self.around.current.client_id is not None:
            self.send(event, payload)

    def record(self, event: str, payload: dict[str, Any], *, broadcast: bool = False) -> None:
        """Put a message into history, and send it (PromptExecutor.add_message)."""
        stamped = {**payload, "timestamp": int(time.time() * 1000)}
        self.messages.append([event, stamped])
        if broadcast:
            self.send(event, stamped)
        else:
            self.send_if_named(event, stamped)

    async def is_changed(self, node_id: str) -> Any:
        """Return what IS_CHANGED says, False for a class without it (IsChangedCache, 0.3.64)."""
        if node_id not in self._is_changed:
            self._is_changed[node_id] = await self._ask_is_changed(node_id)
        return self._is_changed[node_id]

    async def _ask_is_changed(self, node_id: str) -> Any:
        node = self.graph.node(node_id)
        node_class = self.around.classes[node["class_type"]]
        if not hasattr(node_class, "IS_CHANGED"):
            return False
        if "is_changed" in node:
            return node["is_changed"]  # a prompt taken from a picture brings it along, and it is believed
        inputs = gather_inputs(node_class, (node_id, node["inputs"]))
        try:
            answers = await finished(
                await call_node(node_class, "IS_CHANGED", inputs.values, node_id=node_id)
            )
            node["is_changed"] = [
                None if isinstance(answer, ExecutionBlocker) else answer for answer in answers
            ]
        except Exception as error:  # noqa: BLE001 - whatever a node's own IS_CHANGED raises means: changed
            log.warning("IS_CHANGED of node %s: %s", node_id, error)
            node["is_changed"] = float("nan")
        return node["is_changed"]
