"""Running one node: cached, lazy, asynchronous, expanding, blocked or plain (execution.py, execute)."""

from __future__ import annotations

import asyncio
import traceback
from typing import TYPE_CHECKING, Any

from comfywire.server.execution.cache import UiResult
from comfywire.server.execution.interruption import PromptInterrupted
from comfywire.server.execution.node_call import (
    NodeInputs,
    NodeResult,
    call_node,
    finished,
    gather_inputs,
    merge,
    put_together,
)
from comfywire.server.graph import ExecutionBlocker, NodeClass, is_link

if TYPE_CHECKING:
    from comfywire.server.execution.execution_list import DependencyCycle
    from comfywire.server.execution.prompt_run import PromptRun

__all__ = ["NodeFailed", "NodeRun"]


class DuplicateNodeError(Exception):
    """An expansion reuses a node id."""

    __module__ = "execution"  # clients see the qualified name in exception_type


class NodeFailed(Exception):
    """A node raised; the cause is what it raised, ``details`` what ``execution_error`` says of it."""

    def __init__(self, node_id: str, details: dict[str, Any]) -> None:
        self.node_id = node_id
        self.details = details
        super().__init__(node_id)

    @classmethod
    def of_cycle(cls, cycle: DependencyCycle) -> NodeFailed:
        """Describe a cycle as ComfyUI does, short class name and all (comfy_execution/graph.py)."""
        details = {
            "exception_message": str(cycle),
            "exception_type": "graph.DependencyCycleError",
            "traceback": [],
            "current_inputs": [],
        }
        return cls(cycle.node_id, details)


class NodeRun:
    """Runs the nodes of one prompt, and remembers those that are under way."""

    def __init__(self, prompt_run: PromptRun) -> None:
        self._run = prompt_run
        self._cache = prompt_run.cache
        self._tasks: dict[str, list[Any]] = {}
        self._expansions: dict[str, list[tuple[bool, Any]]] = {}
        self._waiters: set[asyncio.Task[None]] = set()

    async def run(self, node_id: str) -> bool:
        """Run a node; False when it has to come again, because it waits for others.

        Raises:
            NodeFailed: It raised, or was interrupted.

        """
        if self._run.is_cached(node_id):
            self._show_again(node_id)
            self._run.progress.finish(node_id)
            return True
        graph = self._run.graph
        node_class = self._run.around.classes[graph.node(node_id)["class_type"]]
        inputs = NodeInputs({}, set())
        try:
            if node_id in self._tasks:
                result = put_together(node_class, [_result(call) for call in self._tasks.pop(node_id)])
            elif node_id in self._expansions:
                result = NodeResult(merge(node_class, self._resolved(node_id)), {})
            else:
                inputs = self._start(node_id, node_class)
                returned = await self._call(node_id, node_class, inputs)
                if returned is None:
                    return False
                result = put_together(node_class, returned)
            return await self._settle(node_id, result)
        except PromptInterrupted as error:
            raise NodeFailed(graph.real_id(node_id), {}) from error
        except Exception as error:
            raise NodeFailed(graph.real_id(node_id), _details(error, inputs)) from error

    def _show_again(self, node_id: str) -> None:
        shown = self._cache.ui(node_id)
        self._run.shown[node_id] = None
        self._run.send_if_named(
            "executed",
            {
                "node": node_id,
                "display_node": self._run.graph.display_id(node_id),
                "output": None if shown is None else shown.output,
                "prompt_id": self._run.prompt_id,
            },
        )

    def _start(self, node_id: str, node_class: NodeClass) -> NodeInputs:
        run = self._run
        run.progress.start(node_id)
        node = run.graph.node(node_id)
        inputs = gather_inputs(
            node_class, (node_id, node["inputs"]), output_of=self._cache.output, hidden=run.hidden
        )
        if run.around.current.client_id is not None:
            display = run.graph.display_id(node_id)
            run.around.current.node_id = display
            run.send("executing", {"node": node_id, "display_node": display, "prompt_id": run.prompt_id})
        return inputs

    async def _call(self, node_id: str, node_class: NodeClass, inputs: NodeInputs) -> list[Any] | None:
        """Call the node; None when it waits for lazy inputs or for its own tasks."""
        instance = self._cache.instance(node_id)
        if await self._ask_for_lazy(node_id, instance, inputs):
            return None
        if node_id not in self._run.log.nodes:
            self._run.log.nodes.append(node_id)
        run = self._run
        class_type = run.graph.node(node_id)["class_type"]
        run.around.tricks.before_node(run.around.host, run.prompt_id, node_id, class_type)
        returned = await call_node(
            instance,
            node_class.FUNCTION,
            inputs.values,
            node_id=node_id,
            before=self._run.around.interruption.check,
            blocked=lambda blocker: self._blocked(node_id, blocker),
        )
        tasks = [result for result in returned if isinstance(result, asyncio.Task) and not result.done()]
        if not tasks:
            return [_result(result) for result in returned]
        self._tasks[node_id] = returned
        unblock = self._run.nodes.add_external_block(node_id)
        waiter = asyncio.create_task(_unblock_after(tasks, unblock), name=f"wait for node {node_id}")
        self._waiters.add(waiter)
        waiter.add_done_callback(self._waiters.discard)
        return None

    async def _ask_for_lazy(self, node_id: str, instance: Any, inputs: NodeInputs) -> bool:
        if getattr(instance, "check_lazy_status", None) is None:
            return False
        answers = await finished(
            await call_node(
                instance,
                "check_lazy_status",
                inputs.values,
                node_id=node_id,
                before=self._run.around.interruption.check,
            )
        )
        wanted = {
            name for answer in answers if isinstance(answer, list) for name in answer if isinstance(name, str)
        }
        due = [name for name in sorted(wanted) if name not in inputs.values or name in inputs.missing]
        for name in due:
            self._run.nodes.need_input(node_id, name)
        return bool(due)

    def _blocked(self, node_id: str, blocker: ExecutionBlocker) -> ExecutionBlocker:
        """Tell the client why a node is skipped; the prompt goes on, and history does not hear of it."""
        if blocker.message is None:
            return blocker
        run = self._run
        run.send(
            "execution_error",
            {
                "prompt_id": run.prompt_id,
                "node_id": node_id,
                "node_type": run.graph.node(node_id)["class_type"],
                "executed": list(run.executed),
                "exception_message": f"Execution Blocked: {blocker.message}",
                "exception_type": "ExecutionBlocked",
                "traceback": [],
                "current_inputs": [],
                "current_outputs": [],
            },
        )
        return ExecutionBlocker(None)

    async def _settle(self, node_id: str, result: NodeResult) -> bool:
        run = self._run
        graph = run.graph
        if result.ui:
            meta = {
                "node_id": node_id,
                "display_node": graph.display_id(node_id),
                "parent_node": graph.parent(node_id),
                "real_node_id": graph.real_id(node_id),
            }
            shown = UiResult(run.around.tricks.renamed(result.ui, run.prompt_id), meta)
            self._cache.set_ui(node_id, shown)
            run.shown[node_id] = None
            run.send_if_named(
                "executed",
                {
                    "node": node_id,
                    "display_node": meta["display_node"],
                    "output": shown.output,
                    "prompt_id": run.prompt_id,
                },
            )
        if result.expansion is not None:
            await self._expand(node_id, result.expansion)
            return False
        self._cache.set_output(node_id, result.output)
        run.progress.finish(node_id)
        run.executed[node_id] = None
        return True

    async def _expand(self, node_id: str, expansion: list[tuple[dict[str, Any] | None, Any]]) -> None:
        run = self._run
        added: dict[str, str] = {}
        links: list[str] = []
        for graph, results in expansion:
            for child in graph or ():
                if run.graph.has(child):
                    raise DuplicateNodeError(
                        f"Attempt to add duplicate node {child}. Ensure node ids are unique and deterministic"
                        " or use graph_utils.GraphBuilder."
                    )
            for child, node in (graph or {}).items():
                run.graph.add(child, node, parent=node_id, display=node.get("override_display_id", node_id))
                added[child] = node["class_type"]
            if graph is not None:
                links.extend(result[0] for result in results if is_link(result))
        await self._cache.begin_expansion(node_id, added)
        for child, class_type in added.items():
            if getattr(run.around.classes[class_type], "OUTPUT_NODE", False) is True:
                run.nodes.add_node(child)
        for source in links:
            run.nodes.add_strong_link(source, node_id)
        self._expansions[node_id] = [(graph is not None, results) for graph, results in expansion]

    def _resolved(self, node_id: str) -> list[tuple[Any, ...]]:
        """Put the children's results where the expansion returned links to them."""
        resolved: list[tuple[Any, ...]] = []
        for is_expanded, results in self._expansions.pop(node_id):
            if not is_expanded:
                resolved.append(results)
                continue
            values: list[Any] = []
            for result in results:
                if is_link(result):
                    values.extend((self._cache.output(result[0]) or [])[result[1]])
                else:
                    values.append(result)
            resolved.append(tuple(values))
        return resolved


async def _unblock_after(tasks: list[asyncio.Task[Any]], unblock: Any) -> None:
    await asyncio.wait(tasks)
    unblock()


def _result(returned: Any) -> Any:
    return returned.result() if isinstance(returned, asyncio.Task) else returned


def _details(error: Exception, inputs: NodeInputs) -> dict[str, Any]:
    return {
        "exception_message": f"{error}\n",
        "exception_type": qualified_name(type(error)),
        "traceback": traceback.format_tb(error.__traceback__),
        "current_inputs": {
            name: [_shown(value) for value in values] for name, values in inputs.values.items()
        },
    }


def qualified_name(exception: type[BaseException]) -> str:
    """Return the class's name as clients see it: with its module, unless it is a builtin."""
    if exception.__module__ == "builtins":
        return exception.__qualname__
    return f"{exception.__module__}.{exception.__qualname__}"


def _shown(value: object) -> object:
    return value if value is None or isinstance(value, int | float | bool | str) else str(value)
