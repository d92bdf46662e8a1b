"""Running one prompt: ComfyUI's order of nodes, and its order of messages (execution.py, 0.3.64)."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from comfywire.server.execution.cache import Cache
from comfywire.server.execution.execution_list import DependencyCycle, ExecutionList
from comfywire.server.execution.interruption import PromptInterrupted
from comfywire.server.execution.node_call import Hidden, call_node, finished, gather_inputs
from comfywire.server.execution.node_run import NodeFailed, NodeRun
from comfywire.server.graph import DynamicPrompt, ExecutionBlocker
from comfywire.server.messages.progress import ProgressRegistry
from comfywire.server.messages.publisher import Message

if TYPE_CHECKING:
    from comfywire.server.execution.prompt_queue import QueueItem
    from comfywire.server.execution.run_log import Run
    from comfywire.server.prompt_server import PromptServer

__all__ = ["PromptExecutor", "PromptRun"]

log = logging.getLogger("comfywire.server")


class PromptExecutor:
    """Runs prompts one after the other, in the worker's thread; holds what outlives a prompt."""

    def __init__(self, server: PromptServer) -> None:
        self.server = server
        self.cache = Cache(server.classes)
        # Not reset for each prompt: a cycle found while running leaves the last prompt's value standing,
        # so that status_str may say success (execution.py, execute_async).
        self.success = True

    def reset(self) -> None:
        """Forget every result, as POST /free with ``free_memory`` asks."""
        self.cache = Cache(self.server.classes)
        self.success = True

    async def execute(self, item: QueueItem, run: Run) -> dict[str, Any]:
        """Run a prompt and return its history entry, without the ``prompt``."""
        self.server.interruption.reset()
        # A missing client_id is None; extra_data that is no dict kills the worker, as it does ComfyUI's.
        self.server.client_id = item[3].get("client_id")
        if self.server.options.is_new:
            self.server.host.choose_previews(item[3].get("preview_method"))
        prompt_run = PromptRun(self, item, run)
        await prompt_run.execute()
        self.server.last_node_id = None
        # 0.3.64 lists whatever the cache shows for this graph, newer servers what this prompt ran or served.
        node_ids = prompt_run.shown if self.server.options.is_new else self.cache.node_ids()
        shown = {node_id: self.cache.ui(node_id) for node_id in node_ids}
        return {
            "outputs": {node_id: ui.output for node_id, ui in shown.items() if ui is not None},
            "status": {
                "status_str": "success" if self.success else "error",
                "completed": self.success,
                "messages": prompt_run.messages,
            },
            "meta": {node_id: ui.meta for node_id, ui in shown.items() if ui is not None},
        }


class PromptRun:
    """One prompt while it runs."""

    def __init__(self, executor: PromptExecutor, item: QueueItem, run: Run) -> None:
        self.executor = executor
        self.server = executor.server
        self.cache: Cache = executor.cache
        _, self.prompt_id, prompt, self.extra_data, self._outputs = item
        self.log = run
        self.messages: list[list[Any]] = []
        self.graph = DynamicPrompt(prompt)
        self.hidden = Hidden(self.graph, self.extra_data)
        self.progress = ProgressRegistry(
            self.prompt_id, self.graph, send=self.server.publisher.put, sid=self.server.client_id
        )
        self.nodes = ExecutionList(self.graph, self.server.classes, self.is_cached)
        self.executed: dict[str, None] = {}
        self.shown: dict[str, None] = {}
        self._is_changed: dict[str, Any] = {}

    def is_cached(self, node_id: str) -> bool:
        """Tell whether a node has results already."""
        return self.cache.output(node_id) is not None

    def send(self, event: str, payload: dict[str, Any]) -> None:
        """Send a message to the submitter; to everybody if there is none."""
        self.server.publisher.put(Message(event, payload, self.server.client_id, self.prompt_id))

    def send_if_named(self, event: str, payload: dict[str, Any]) -> None:
        """Send a message to the submitter, if it gave a client_id."""
        if self.server.client_id is not None:
            self.send(event, payload)

    def record(self, event: str, payload: dict[str, Any], *, broadcast: bool = False) -> None:
        """Put a message into history, and send it (PromptExecutor.add_message)."""
        stamped = {**payload, "timestamp": int(time.time() * 1000)}
        self.messages.append([event, stamped])
        if broadcast:
            self.send(event, stamped)
        else:
            self.send_if_named(event, stamped)

    async def execute(self) -> None:
        """Run the outputs and what they need; how it ended is in ``messages`` and in the log."""
        self.record("execution_start", {"prompt_id": self.prompt_id})
        self.server.progress = self.progress
        await self.cache.begin(self.graph, self.is_changed)
        self.log.cached = [node_id for node_id in self.graph.original if self.is_cached(node_id)]
        self.record("execution_cached", {"nodes": self.log.cached, "prompt_id": self.prompt_id})
        current_outputs = self.cache.node_ids()
        for node_id in list(self._outputs):
            self.nodes.add_node(node_id)
        try:
            await self._run_nodes()
        except DependencyCycle as cycle:
            # Before any node was asked, so the executor's success stays what it was.
            self._failed(NodeFailed.of_cycle(cycle), current_outputs)
        except NodeFailed as failure:
            self.executor.success = False
            self._failed(failure, current_outputs)
        else:
            self.record("execution_success", {"prompt_id": self.prompt_id})
            self.log.how = "success"

    async def _run_nodes(self) -> None:
        node_run = NodeRun(self)
        while not self.nodes.is_empty:
            node_id = await self.nodes.next_node()
            is_done = await node_run.run(node_id)
            self.executor.success = True
            if is_done:
                self.nodes.complete(node_id)

    def _failed(self, failure: NodeFailed, current_outputs: list[str]) -> None:
        where = {
            "prompt_id": self.prompt_id,
            "node_id": failure.node_id,
            "node_type": self.graph.original[failure.node_id]["class_type"],
            "executed": list(self.executed),
        }
        if isinstance(failure.__cause__, PromptInterrupted):
            self.log.how = "interrupted"
            self.record("execution_interrupted", where, broadcast=True)
        else:
            self.log.how = "error"
            details = {**failure.details, "current_outputs": current_outputs}
            self.record("execution_error", {**where, **details})

    async def is_changed(self, node_id: str) -> Any:
        """Return what IS_CHANGED says, False for a class without it (IsChangedCache, 0.3.64)."""
        if node_id not in self._is_changed:
            self._is_changed[node_id] = await self._ask_is_changed(node_id)
        return self._is_changed[node_id]

    async def _ask_is_changed(self, node_id: str) -> Any:
        node = self.graph.node(node_id)
        node_class = self.server.classes[node["class_type"]]
        if not hasattr(node_class, "IS_CHANGED"):
            return False
        if "is_changed" in node:
            return node["is_changed"]  # a prompt taken from a picture brings it along, and it is believed
        inputs = gather_inputs(node_class, (node_id, node["inputs"]))
        try:
            answers = await finished(
                await call_node(node_class, "IS_CHANGED", inputs.values, node_id=node_id)
            )
            node["is_changed"] = [None if isinstance(one, ExecutionBlocker) else one for one in answers]
        except Exception as error:  # noqa: BLE001 - whatever a node's own IS_CHANGED raises means: changed
            log.warning("IS_CHANGED of node %s: %s", node_id, error)
            node["is_changed"] = float("nan")
        return node["is_changed"]
