"""Which node is next: ComfyUI's topological dissolve and its preference for what the user sees first."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any

from comfywire.server.graph import DynamicPrompt, NodeClass, input_info, is_link

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["DependencyCycle", "ExecutionList", "NodeInputError"]


class NodeInputError(Exception):
    """A node asked for an input that it cannot have."""

    __module__ = "comfy_execution.graph"


class DependencyCycle(Exception):
    """Nothing can run, and nothing is under way; ``node_id`` is blamed."""

    def __init__(self, node_id: str) -> None:
        self.node_id = node_id
        super().__init__("Dependency cycle detected")


class ExecutionList:
    """The nodes still to run, each with how many others it waits for (comfy_execution/graph.py, 0.3.64)."""

    def __init__(
        self, graph: DynamicPrompt, classes: Mapping[str, NodeClass], is_cached: Callable[[str], bool]
    ) -> None:
        self._graph = graph
        self._classes = classes
        self._is_cached = is_cached
        # Insertion order decides among equals, so it has to be ComfyUI's too.
        self._block_counts: dict[str, int] = {}
        self._blocking: dict[str, dict[str, None]] = {}
        self._external_blocks = 0
        self._unblocked = asyncio.Event()

    @property
    def is_empty(self) -> bool:
        """Whether everything has run."""
        return not self._block_counts

    def add_node(self, node_id: str) -> None:
        """Add a node and everything it needs that is not cached; lazy inputs come when they are asked for."""
        waiting = [node_id]
        links: list[tuple[str, str]] = []
        while waiting:
            current = waiting.pop()
            if current in self._block_counts:
                continue
            self._block_counts[current] = 0
            self._blocking[current] = {}
            for source in self._eager_sources(current):
                waiting.append(source)
                links.append((source, current))
        for source, target in links:
            self.add_strong_link(source, target)

    def _eager_sources(self, node_id: str) -> Iterable[str]:
        node = self._graph.node(node_id)
        inputs = self._classes[node["class_type"]].INPUT_TYPES()
        for name, value in node["inputs"].items():
            if is_link(value):
                options = input_info(inputs, name)[2]
                if not (options and options.get("lazy")) and not self._is_cached(value[0]):
                    yield value[0]

    def add_strong_link(self, source: str, target: str) -> None:
        """Let ``target`` wait for ``source``, unless that is cached."""
        if self._is_cached(source):
            return
        self.add_node(source)
        if target not in self._blocking[source]:
            self._blocking[source][target] = None
            self._block_counts[target] += 1

    def need_input(self, node_id: str, name: str) -> None:
        """Make a lazy input due.

        Raises:
            NodeInputError: The node has no such link.

        """
        inputs = self._graph.node(node_id)["inputs"]
        if name not in inputs:
            raise NodeInputError(
                f"Node {node_id} says it needs input {name}, but there is no input to that node at all"
            )
        if not is_link(inputs[name]):
            raise NodeInputError(f"Node {node_id} says it needs input {name}, but that value is a constant")
        self.add_strong_link(inputs[name][0], node_id)

    def add_external_block(self, node_id: str) -> Callable[[], None]:
        """Let ``node_id`` wait for something outside the graph; call what is returned when that is there."""
        self._external_blocks += 1
        self._block_counts[node_id] += 1

        def unblock() -> None:
            self._external_blocks -= 1
            self._block_counts[node_id] -= 1
            self._unblocked.set()

        return unblock

    async def next_node(self) -> str:
        """Return the node to run now, waiting for async nodes when nothing else is left.

        Raises:
            DependencyCycle: Nothing will ever be ready.

        """
        ready = self._ready()
        while not ready and self._external_blocks > 0:
            await self._unblocked.wait()
            self._unblocked.clear()
            ready = self._ready()
        if not ready:
            raise DependencyCycle(self._blamed())
        return self._pick(ready)

    def complete(self, node_id: str) -> None:
        """Take a node that has run off the list."""
        del self._block_counts[node_id]
        for blocked in self._blocking.pop(node_id):
            self._block_counts[blocked] -= 1

    def _ready(self) -> list[str]:
        return [node_id for node_id, count in self._block_counts.items() if count == 0]

    def _class(self, node_id: str) -> Any:
        return self._classes[self._graph.node(node_id)["class_type"]]

    def _is_output(self, node_id: str) -> bool:
        return getattr(self._class(node_id), "OUTPUT_NODE", False) is True

    def _is_async(self, node_id: str) -> bool:
        node_class = self._class(node_id)
        return inspect.iscoroutinefunction(getattr(node_class, node_class.FUNCTION))

    def _pick(self, ready: list[str]) -> str:
        """Prefer outputs and async nodes, then what is one or two steps before an output."""
        if len(ready) == 1:
            return ready[0]
        for node_id in ready:
            if self._is_output(node_id) or self._is_async(node_id):
                return node_id
        for node_id in ready:
            if any(self._is_output(after) for after in self._blocking[node_id]):
                return node_id
        for node_id in ready:
            if any(
                self._is_output(last) for after in self._blocking[node_id] for last in self._blocking[after]
            ):
                return node_id
        return ready[0]

    def _blamed(self) -> str:
        """Dissolve what is not in a cycle, then name the node that expanded into one, or the first."""
        blocked_by: dict[str, set[str]] = {node_id: set() for node_id in self._block_counts}
        for source, targets in self._blocking.items():
            for target in targets:
                blocked_by[target].add(source)
        while free := {node_id for node_id, sources in blocked_by.items() if not sources}:
            blocked_by = {
                node_id: sources - free for node_id, sources in blocked_by.items() if node_id not in free
            }
        displays = [(node_id, self._graph.display_id(node_id)) for node_id in blocked_by]
        return next((shown for node_id, shown in displays if shown != node_id), displays[0][0])
