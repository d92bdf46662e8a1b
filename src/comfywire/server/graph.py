"""The graph that runs: the submitted nodes and those that nodes expand into while it runs."""

from __future__ import annotations

import threading
from typing import Any

__all__ = [
    "ClassInputs",
    "DynamicPrompt",
    "ExecutionBlocker",
    "GraphBuilder",
    "InputInfo",
    "NodeClass",
    "input_info",
    "is_link",
]

NodeClass = type[Any]
ClassInputs = dict[str, dict[str, Any]]
# type, category (required, optional, hidden), options; or three Nones for an input the class does not have
InputInfo = tuple[Any, str, dict[str, Any]] | tuple[None, None, None]


class ExecutionBlocker:
    """Returned instead of a value: whoever uses it is not run, and says ``message`` if there is one."""

    def __init__(self, message: str | None) -> None:
        self.message = message


class NodeNotFoundError(Exception):
    """A link or an expansion names a node that is not there."""

    __module__ = "comfy_execution.graph"  # clients see the qualified name in exception_type


def is_link(value: object) -> bool:
    """Tell whether an input's value is ``[node_id, slot]``."""
    match value:
        case [str(), int() | float()]:
            return True
        case _:
            return False


def input_info(inputs: ClassInputs, name: str) -> InputInfo:
    """Return type, category and options of one input of a class's INPUT_TYPES."""
    for category in ("required", "optional", "hidden"):
        spec = inputs.get(category, {}).get(name)
        if spec is not None:
            return spec[0], category, spec[1] if len(spec) > 1 else {}
    return None, None, None


class DynamicPrompt:
    """The submitted prompt plus the ephemeral nodes of expansions, each with its parent."""

    def __init__(self, original: dict[str, Any]) -> None:
        self.original = original
        self._ephemeral: dict[str, Any] = {}
        self._parents: dict[str, str] = {}
        self._displays: dict[str, str] = {}

    def node(self, node_id: str) -> dict[str, Any]:
        """Return a node's ``{class_type, inputs}``."""
        node = self._ephemeral.get(node_id) or self.original.get(node_id)
        if node is None:
            raise NodeNotFoundError(f"Node {node_id} not found")
        found: dict[str, Any] = node
        return found

    def has(self, node_id: str) -> bool:
        """Tell whether there is such a node."""
        return node_id in self.original or node_id in self._ephemeral

    def add(self, node_id: str, node: dict[str, Any], *, parent: str, display: str) -> None:
        """Add a node of an expansion."""
        self._ephemeral[node_id] = node
        self._parents[node_id] = parent
        self._displays[node_id] = display

    def parent(self, node_id: str) -> str | None:
        """Return the node that expanded into this one."""
        return self._parents.get(node_id)

    def real_id(self, node_id: str) -> str:
        """Return the submitted node that this one came from."""
        while node_id in self._parents:
            node_id = self._parents[node_id]
        return node_id

    def display_id(self, node_id: str) -> str:
        """Return the node under which an editor shows this one."""
        while node_id in self._displays:
            node_id = self._displays[node_id]
        return node_id


class _Prefix(threading.local):
    root = ""
    call_index = 0
    graph_index = 0


class BuiltNode:
    """A node of a graph under construction."""

    def __init__(self, node_id: str, class_type: str, inputs: dict[str, Any]) -> None:
        self.id = node_id
        self.class_type = class_type
        self.inputs = inputs

    def out(self, slot: int) -> list[Any]:
        """Return a link to one of its outputs."""
        return [self.id, slot]

    def set_input(self, name: str, value: object) -> None:
        """Set an input after all."""
        self.inputs[name] = value


class GraphBuilder:
    """Builds an expansion, with node ids such as ``7.0.0.2``: parent, call, graph, number."""

    prefixes = _Prefix()

    def __init__(self) -> None:
        current = self.prefixes
        self._prefix = f"{current.root}.{current.call_index}.{current.graph_index}."
        current.graph_index += 1
        self._nodes: dict[str, BuiltNode] = {}

    @classmethod
    def begin(cls, root: str, call_index: int) -> None:
        """Set where the ids of this thread's next graphs hang."""
        cls.prefixes.root = root
        cls.prefixes.call_index = call_index
        cls.prefixes.graph_index = 0

    def node(self, class_type: str, **inputs: object) -> BuiltNode:
        """Add a node."""
        node_id = f"{self._prefix}{len(self._nodes) + 1}"
        built = self._nodes[node_id] = BuiltNode(node_id, class_type, inputs)
        return built

    def finalize(self) -> dict[str, Any]:
        """Return the graph in API format."""
        return {
            node_id: {"class_type": node.class_type, "inputs": node.inputs}
            for node_id, node in self._nodes.items()
        }
