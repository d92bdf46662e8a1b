"""Calling a node: once per item of its longest input list, and putting the results together again."""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from comfywire.server.execution.dynamic_inputs import class_inputs
from comfywire.server.graph import (
    DynamicPrompt,
    ExecutionBlocker,
    GraphBuilder,
    NodeClass,
    input_info,
    is_link,
)
from comfywire.server.messages.progress import current_node

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Hidden", "NodeInputs", "NodeResult", "call_node", "finished", "gather_inputs", "put_together"]


@dataclass(frozen=True, slots=True)
class Hidden:
    """What hidden inputs are filled with."""

    graph: DynamicPrompt | None = None
    extra_data: dict[str, Any] | None = None

    def value(self, kind: str, node_id: str) -> Any:
        """Return the value of a hidden input; unknown kinds get None, and are not passed at all."""
        extra = self.extra_data or {}
        return {
            "PROMPT": {} if self.graph is None else self.graph.original,
            "DYNPROMPT": self.graph,
            "EXTRA_PNGINFO": extra.get("extra_pnginfo"),
            "UNIQUE_ID": node_id,
            "AUTH_TOKEN_COMFY_ORG": extra.get("auth_token_comfy_org"),
            "API_KEY_COMFY_ORG": extra.get("api_key_comfy_org"),
        }.get(kind)


@dataclass(frozen=True, slots=True)
class NodeInputs:
    """A node's arguments, each a list; ``missing`` names the links that have no value yet."""

    values: dict[str, list[Any]]
    missing: set[str]


@dataclass(frozen=True, slots=True)
class NodeResult:
    """What came out of a node.

    Attributes:
        output: One list for each slot; empty for a node that expanded.
        ui: What it shows, or an empty dict.
        expansion: For a node that expanded: (graph or None, results or links) for each call.

    """

    output: list[list[Any]]
    ui: dict[str, list[Any]]
    expansion: list[tuple[dict[str, Any] | None, Any]] | None = None


def gather_inputs(
    node_class: NodeClass,
    node: tuple[str, dict[str, Any]],
    *,
    output_of: Callable[[str], list[Any] | None] | None = None,
    hidden: Hidden | None = None,
) -> NodeInputs:
    """Collect the arguments of a node; constants only, unless ``output_of`` has the results of others."""
    node_id, inputs = node
    known = class_inputs(node_class, inputs)
    values: dict[str, list[Any]] = {}
    missing: set[str] = set()
    for name, value in inputs.items():
        _, category, options = input_info(known, name)
        if is_link(value) and not (options and options.get("rawLink")):
            found = output_of(value[0]) if output_of is not None else None
            if found is None or value[1] >= len(found):
                missing.add(name)
                values[name] = [None]
            else:
                values[name] = found[value[1]]
        elif category is not None:
            values[name] = [value]
    for name, kind in known.get("hidden", {}).items():
        values[name] = [(hidden or Hidden()).value(kind, node_id)]
    return NodeInputs(values, missing)


async def call_node(
    target: Any,
    name: str,
    arguments: dict[str, list[Any]],
    *,
    node_id: str,
    before: Callable[[], None] | None = None,
    blocked: Callable[[ExecutionBlocker], ExecutionBlocker] | None = None,
) -> list[Any]:
    """Call ``target.name`` for each slice of the arguments; what is still running is returned as a task.

    Args:
        target: The node, or its class for VALIDATE_INPUTS and IS_CHANGED.
        name: The method.
        arguments: Shorter lists repeat their last item.
        node_id: Whose progress it is.
        before: Called before each call; may raise.
        blocked: Called instead of the node when an argument is a blocker.

    """
    if getattr(target, "INPUT_IS_LIST", False):
        slices: list[dict[str, Any]] = [arguments]
    else:
        length = max((len(values) for values in arguments.values()), default=0)
        slices = [
            {key: values[min(index, len(values) - 1)] for key, values in arguments.items()}
            for index in range(length)
        ] or [{}]
    results: list[Any] = []
    for index, inputs in enumerate(slices):
        if before is not None:
            before()
        blocker = _blocker(inputs)
        if blocker is not None:
            results.append(blocked(blocker) if blocked is not None else blocker)
        else:
            GraphBuilder.begin(node_id, index)
            results.append(await _invoke(getattr(target, name), inputs, node_id))
    return results


def _blocker(inputs: dict[str, Any]) -> ExecutionBlocker | None:
    for value in inputs.values():
        for element in value if isinstance(value, list) else [value]:
            if isinstance(element, ExecutionBlocker):
                return element
    return None


async def _invoke(function: Callable[..., Any], inputs: dict[str, Any], node_id: str) -> Any:
    token = current_node.set(node_id)
    try:
        if not inspect.iscoroutinefunction(function):
            return function(**inputs)
        task = asyncio.create_task(function(**inputs), name=f"node {node_id}")
        # One turn of the loop, so that a coroutine that never waits is as good as a function.
        await asyncio.sleep(0)
        return task.result() if task.done() else task
    finally:
        current_node.reset(token)


async def finished(results: list[Any]) -> list[Any]:
    """Wait for the tasks among ``results``; the first that failed raises."""
    return [await result if isinstance(result, asyncio.Task) else result for result in results]


def put_together(node_class: NodeClass, returned: list[Any]) -> NodeResult:
    """Turn what the calls of one node returned into its outputs (execution.py, get_output_from_returns)."""
    slots = len(node_class.RETURN_TYPES)
    shown: list[dict[str, Any]] = []
    results: list[Any] = []
    expansion: list[tuple[dict[str, Any] | None, Any]] = []
    for answer in returned:
        graph: dict[str, Any] | None = None
        result = answer
        if isinstance(answer, dict):
            if "ui" in answer:
                shown.append(answer["ui"])
            if "expand" not in answer and "result" not in answer:
                continue
            graph, result = answer.get("expand"), answer.get("result")
        if isinstance(result, ExecutionBlocker):
            result = (result,) * slots
        if graph is None:
            results.append(result)
        expansion.append((graph, result))
    # Keys of the first showing count; a later one that lacks them raises KeyError, as in ComfyUI.
    ui = {key: [item for showing in shown for item in showing[key]] for key in shown[0]} if shown else {}
    if any(graph is not None for graph, _ in expansion):
        return NodeResult([], ui, expansion)
    return NodeResult(merge(node_class, results) if results else [], ui)


def merge(node_class: NodeClass, results: list[Any]) -> list[list[Any]]:
    """Make one list for each slot; a slot that is a list in every call is strung together."""
    slots = len(results[0])
    is_list = getattr(node_class, "OUTPUT_IS_LIST", [False] * slots)
    merged: list[list[Any]] = []
    for slot, strings in zip(range(slots), is_list, strict=False):
        values: list[Any] = []
        for result in results:
            if strings and not isinstance(result[slot], ExecutionBlocker):
                values.extend(result[slot])
            else:
                values.append(result[slot])
        merged.append(values)
    return merged
