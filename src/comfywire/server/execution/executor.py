"""Running one prompt: ComfyUI's order of nodes, and its order of messages (execution.py, 0.3.64)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from comfywire.server.execution.cache import Cache
from comfywire.server.execution.execution_list import DependencyCycle
from comfywire.server.execution.interruption import PromptInterrupted
from comfywire.server.execution.node_run import NodeFailed, NodeRun
from comfywire.server.execution.prompt_run import PromptRun

if TYPE_CHECKING:
    from comfywire.server.execution.prompt_queue import QueueItem
    from comfywire.server.execution.run_log import Run
    from comfywire.server.execution.surroundings import PromptSurroundings

__all__ = ["PromptExecutor"]


class PromptExecutor:
    """Runs prompts one after the other, in the worker's thread; holds what outlives a prompt."""

    def __init__(self, around: PromptSurroundings) -> None:
        self._around = around
        self._cache = Cache(around.classes)
        # Not reset for each prompt: a cycle found while running leaves the last prompt's value standing,
        # so that status_str may say success (execution.py, execute_async).
        self._success = True

    def reset(self) -> None:
        """Forget every result, as POST /free with ``free_memory`` asks."""
        self._cache = Cache(self._around.classes)
        self._success = True

    async def execute(self, item: QueueItem, run: Run) -> dict[str, Any]:
        """Run a prompt and return its history entry, without the ``prompt``."""
        around = self._around
        around.interruption.reset()
        # A missing client_id is None; extra_data that is no dict kills the worker, as it does ComfyUI's.
        around.current.client_id = item[3].get("client_id")
        if around.is_new:
            around.host.choose_previews(item[3].get("preview_method"))
        prompt_run = PromptRun(around, self._cache, item, run)
        await self._execute(prompt_run)
        around.current.node_id = None
        # 0.3.64 lists whatever the cache shows for this graph, newer servers what this prompt ran or served.
        node_ids = prompt_run.shown if around.is_new else self._cache.node_ids()
        shown = {node_id: self._cache.ui(node_id) for node_id in node_ids}
        return {
            "outputs": {node_id: ui.output for node_id, ui in shown.items() if ui is not None},
            "status": {
                "status_str": "success" if self._success else "error",
                "completed": self._success,
                "messages": prompt_run.messages,
            },
            "meta": {node_id: ui.meta for node_id, ui in shown.items() if ui is not None},
        }

    async def _execute(self, run: PromptRun) -> None:
        """Run the outputs and what they need; how it ended is in the run's messages and in the log."""
        run.record("execution_start", {"prompt_id": run.prompt_id})
        self._around.current.progress = run.progress
        await run.cache.begin(run.graph, run.is_changed)
        run.log.cached = [node_id for node_id in run.graph.original if run.is_cached(node_id)]
        run.record("execution_cached", {"nodes": run.log.cached, "prompt_id": run.prompt_id})
        current_outputs = run.cache.node_ids()
        for node_id in list(run.outputs):
            run.nodes.add_node(node_id)
        try:
            await self._run_nodes(run)
        except DependencyCycle as cycle:
            # Before any node was asked, so the executor's success stays what it was.
            _record_failure(run, NodeFailed.of_cycle(cycle), current_outputs)
        except NodeFailed as failure:
            self._success = False
            _record_failure(run, failure, current_outputs)
        else:
            run.record("execution_success", {"prompt_id": run.prompt_id})
            run.log.how = "success"

    async def _run_nodes(self, run: PromptRun) -> None:
        node_run = NodeRun(run)
        while not run.nodes.is_empty:
            node_id = await run.nodes.next_node()
            is_done = await node_run.run(node_id)
            self._success = True
            if is_done:
                run.nodes.complete(node_id)


def _record_failure(run: PromptRun, failure: NodeFailed, current_outputs: list[str]) -> None:
    where = {
        "prompt_id": run.prompt_id,
        "node_id": failure.node_id,
        "node_type": run.graph.original[failure.node_id]["class_type"],
        "executed": list(run.executed),
    }
    if isinstance(failure.__cause__, PromptInterrupted):
        run.log.how = "interrupted"
        run.record("execution_interrupted", where, broadcast=True)
    else:
        run.log.how = "error"
        details = {**failure.details, "current_outputs": current_outputs}
        run.record("execution_error", {**where, **details})
